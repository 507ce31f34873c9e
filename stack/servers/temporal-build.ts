import { mkdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { runCommand } from './command.ts';
import type { OnProgress } from './types.ts';

export interface BuildTemporalOptions {
  folder: string;
  version: string;
  onProgress?: OnProgress;
  env: NodeJS.ProcessEnv;
  signal?: AbortSignal;
}

/** Only a build that hangs gets here: a busy or slow machine may take long. */
const buildTimeoutMs = 60 * 60_000;
/** Measured on two cores. */
const buildExpectedMs = 170_000;
/** Packages that `go install -v` names for this version, about. */
const packagesExpected = 1_300;

/**
 * Builds the program with `go install` into the folder. Go's caches grow by gigabytes, so the build has its own inside
 * the folder and they are removed afterwards (`-modcacherw`, or only root could remove them).
 */
export async function buildTemporal({ folder, version, onProgress, env, signal }: BuildTemporalOptions): Promise<void> {
  const startedAt = Date.now();
  const work = join(folder, 'go');
  mkdirSync(work, { recursive: true });
  let modules = 0;
  let packages = 0;
  const report = (): void => {
    const elapsedMs = Date.now() - startedAt;
    const total = Math.max(packages, packagesExpected);
    // Compiling is most of the work, so its share tells what a slower machine will take.
    const expectedMs = Math.max(buildExpectedMs, (elapsedMs * total) / Math.max(1, packages));
    const step = { server: 'temporal', elapsedMs, expectedMs: packages === 0 ? buildExpectedMs : expectedMs } as const;
    if (packages === 0)
      onProgress?.({
        ...step,
        what: 'building the Temporal server with Go: downloading modules',
        done: modules,
        unit: 'modules',
      });
    else
      onProgress?.({
        ...step,
        what: 'building the Temporal server with Go: compiling',
        done: packages,
        total,
        unit: 'packages',
      });
  };
  report();
  const timer = setInterval(report, 1_000);
  try {
    await runCommand({
      command: 'go',
      args: ['install', '-v', '-ldflags=-s -w', `github.com/temporalio/cli/cmd/temporal@v${version}`],
      timeoutMs: buildTimeoutMs,
      cwd: work,
      signal,
      env: {
        ...env,
        GOMODCACHE: join(work, 'mod'),
        GOCACHE: join(work, 'cache'),
        GOTMPDIR: work,
        GOBIN: join(work, 'bin'),
        GOPATH: work,
        GOFLAGS: '-modcacherw',
        GOOS: '',
        GOARCH: '',
        CGO_ENABLED: '0',
      },
      onLine: (line) => {
        if (line.startsWith('go: downloading')) modules += 1;
        else packages += 1;
      },
    });
    const name = process.platform === 'win32' ? 'temporal.exe' : 'temporal';
    renameSync(join(work, 'bin', name), join(folder, name));
  } finally {
    clearInterval(timer);
    rmSync(work, { recursive: true, force: true });
  }
}
