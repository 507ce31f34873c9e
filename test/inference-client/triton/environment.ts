/** The Python environment with NVIDIA's own server and client: found, made if it can be, or the reason why it is not there. */
import { execFile } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';

const run = promisify(execFile);
const repositoryRoot = path.join(import.meta.dirname, '..', '..', '..');

export interface PythonEnvironment {
  readonly python: string;
  /** The folder of tritonserver: bin/, backends/. */
  readonly tritonFolder: string;
  readonly sitePackagesFolder: string;
  /** Where libpython is, for the Python backend. */
  readonly libraryFolder: string;
}

/** Makes the environment if it is not there; the download may take minutes, once. */
export async function findEnvironment(): Promise<PythonEnvironment | { readonly missing: string }> {
  const cacheFolder = process.env['HEADRACE_CACHE_DIR'] || path.join(repositoryRoot, '.headrace', 'cache');
  const python = path.join(cacheFolder, 'triton', 'venv', 'bin', 'python');
  try {
    await run('sh', [path.join(import.meta.dirname, 'setup.sh')], { timeout: 600_000 });
    const { stdout } = await run(
      python,
      [
        '-c',
        [
          'import importlib.util, json, pathlib, sysconfig',
          'package = pathlib.Path(importlib.util.find_spec("pytriton").origin).parent',
          'print(json.dumps({"tritonFolder": str(package / "tritonserver"), "sitePackagesFolder": str(package.parent), "libraryFolder": sysconfig.get_config_var("LIBDIR")}))',
        ].join('\n'),
      ],
      { timeout: 30_000 },
    );
    return { python, ...(JSON.parse(stdout) as Omit<PythonEnvironment, 'python'>) };
  } catch (error) {
    const { stderr = '', message } = error as { stderr?: string; message: string };
    return { missing: stderr.trim().split('\n').slice(-3).join(' ') || message };
  }
}

/**
 * Declares tests that need the environment. Where it is missing they are skipped and the reason is printed, but with CI=true that is a failure: a CI that cannot prove
 * compatibility must not be green.
 */
export function withEnvironment(
  what: string,
  found: Awaited<ReturnType<typeof findEnvironment>>,
  declare: (environment: PythonEnvironment) => void,
): void {
  if (!('missing' in found)) return declare(found);
  console.warn(`NOT RUN: ${what}: ${found.missing}`);
  if (process.env['CI'] === 'true') it(`${what} can run`, () => expect.fail(`missing in CI: ${found.missing}`));
  else it.skip(`${what} (not run: ${found.missing})`, () => undefined);
}
