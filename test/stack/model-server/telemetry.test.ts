import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test, onTestFinished } from 'vitest';
import { textOf, trackedFiles, root } from '../../source-tree.ts';
import { temporaryFolder } from '../servers/trial.ts';
import { until } from '../../live/wait.ts';

const repository = join(root, 'models/repository');
/** The library as anybody else loads it, kept alive until it is stopped. */
const asItComes = `const ort = require(${JSON.stringify(join(root, 'node_modules/onnxruntime-node'))});
  ort.InferenceSession.create(${JSON.stringify(join(repository, 'fraud/1/model.onnx'))}).then(() => setInterval(() => {}, 1000));`;
/** Both are needed to see what a process does without letting it reach anybody. */
const canWatch = [
  ['unshare', '-rn', 'true'],
  ['strace', '-qq', 'true'],
].every(([command, ...args]) => spawnSync(command!, args).status === 0);
/** Calls that reach for another machine. */
const reaching = /^.*\b(?:connect|sendto|sendmsg|sendmmsg)\(.*sa_family=AF_INET6?,(?!.*(?:"127\.|"::1")).*$/gm;

interface Watched {
  home: string;
  reached: () => string[];
  said: () => string;
}

/** Starts a program with an empty home folder, and notes whom it reaches for. */
function watch(isolated: boolean, ...program: string[]): Watched {
  const folder = temporaryFolder();
  const home = join(folder, 'home');
  const trace = join(folder, 'trace');
  mkdirSync(home);
  const strace = [
    'strace',
    '-f',
    '-qq',
    '-e',
    'trace=connect,sendto,sendmsg,sendmmsg',
    '-o',
    trace,
    process.execPath,
    ...program,
  ];
  const [command, ...args] = isolated ? ['unshare', '-rn', ...strace] : strace;
  // With one of these the library keeps quiet by itself, and would hide what is to be seen.
  const { CI: _, ORT_RUNNING_UNIT_TESTS: __, ORT_DISABLE_TELEMETRY: ___, XDG_CACHE_HOME: ____, ...env } = process.env;
  const child = spawn(command!, args, {
    cwd: root,
    env: { ...env, HOME: home },
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let text = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (data: Buffer) => (text += data.toString()));
  onTestFinished(() => stop(child));
  return {
    home,
    reached: () => (existsSync(trace) ? (readFileSync(trace, 'utf8').match(reaching) ?? []) : []),
    said: () => text,
  };
}

/** Ends the whole group: strace, and what it watches. */
async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  process.kill(-child.pid!, 'SIGKILL');
  await ended;
}

test.skipIf(!canWatch)(
  'the model server reaches for nobody and keeps nothing in the home folder, where ONNX Runtime as it comes does both',
  async () => {
    const served = watch(
      false,
      '--import',
      'tsx',
      'stack/model-server/main.ts',
      '--repository',
      repository,
      '--port',
      '0',
    );
    await until('the model server is ready', () => served.said().includes('"listening"'), { detail: served.said });
    // Begun after it: when this one has reported, the other would have done so long since.
    const plain = watch(true, '-e', asItComes);
    await until('the library, as it comes, reaches for its maker', () => plain.reached().length > 0, {
      timeoutMs: 60_000,
      detail: plain.said,
    });
    expect(readdirSync(plain.home)).not.toEqual([]);
    expect(served.reached()).toEqual([]);
    expect(readdirSync(served.home)).toEqual([]);
  },
  120_000,
);

test('nothing else loads ONNX Runtime', () => {
  const loads = /(?:from|import|require\w*\)?)\s*\(?\s*['"]onnxruntime-node['"]/;
  const typeOnly = /^import type .*$/gm;
  const found = trackedFiles().filter(
    (path) => /\.(ts|mts|mjs|js)$/.test(path) && loads.test(textOf(path).replaceAll(typeOnly, '')),
  );
  expect(found).toEqual(['stack/model-server/onnx-runtime.ts']);
});
