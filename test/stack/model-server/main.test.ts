import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { describe, expect, it, onTestFinished } from 'vitest';
import { useClient, useRepository } from '../../inference-client/support/servers.ts';

const mainFile = path.join(import.meta.dirname, '..', '..', '..', 'stack', 'model-server', 'main.ts');
const commandOf = (...args: string[]) => ['--import', 'tsx', mainFile, ...args];

/** Runs the process to its end. */
function runToEnd(
  args: string[],
  env: NodeJS.ProcessEnv = {},
): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      commandOf(...args),
      { env: { ...process.env, ...env }, timeout: 30_000 },
      (error, stdout, stderr) => {
        resolve({ code: typeof error?.code === 'number' ? error.code : error === null ? 0 : -1, stdout, stderr });
      },
    );
  });
}

/** Starts the process and waits for its line of JSON. */
async function start(
  args: string[],
  env: NodeJS.ProcessEnv = {},
): Promise<{ child: ChildProcess; address: string; notLoaded: string[]; said: () => string }> {
  const child = spawn(process.execPath, commandOf(...args), {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...env },
  });
  onTestFinished(() => {
    child.kill('SIGKILL');
  });
  let said = '';
  child.stderr.on('data', (data: Buffer) => {
    said += data.toString();
  });
  const [line] = (await once(createInterface({ input: child.stdout }), 'line', {
    signal: AbortSignal.timeout(30_000),
  })) as [string];
  const { listening, notLoaded } = JSON.parse(line) as { listening: string; notLoaded: string[] };
  return { child, address: listening, notLoaded, said: () => said };
}

async function expectRefusal(args: string[], reason: string, env?: NodeJS.ProcessEnv): Promise<void> {
  const { code, stdout, stderr } = await runToEnd(args, env);
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
  expect(stderr).toContain(reason);
  // Sentences for people, no stack trace.
  expect(stderr).toMatch(/^model-server: /);
  expect(stderr).not.toMatch(/^\s+at /m);
}

describe('the process', { timeout: 60_000 }, () => {
  it('prints where it listens, serves, and ends in order on SIGTERM', async () => {
    const { child, address } = await start(['--repository', await useRepository(), '--port', '0']);
    expect(address).toMatch(/^127\.0\.0\.1:\d+$/);
    const client = useClient({ address, deadlineMs: 10_000 });
    expect((await client.repositoryIndex({ readyOnly: true })).map(({ name }) => name)).toEqual([
      'identity',
      'linear',
      'linear',
      'picky',
    ]);
    const exited = once(child, 'exit');
    child.kill('SIGTERM');
    expect(await exited).toEqual([0, null]);
  });

  it('takes its settings from variables, where no option says otherwise', async () => {
    const { address } = await start(['--port', '0'], {
      MODEL_REPOSITORY: await useRepository(),
      MODEL_SERVER_PORT: '1',
      MODEL_SERVER_HOST: 'localhost',
    });
    expect(address).toMatch(/^localhost:\d+$/);
    expect(await useClient({ address, deadlineMs: 10_000 }).serverReady()).toBe(true);
  });

  it('refuses bad settings', async () => {
    await expectRefusal([], 'give --repository FOLDER or set MODEL_REPOSITORY', { MODEL_REPOSITORY: '' });
    await expectRefusal(['--repository', 'x', '--port', 'http'], "The port 'http' is not a number from 0 to 65535");
    await expectRefusal(['--repo', 'x'], "Unknown option '--repo'");
  });

  it('refuses a port that is taken', async () => {
    const taken = createServer().listen(0, '127.0.0.1');
    onTestFinished(() => {
      taken.close();
    });
    await once(taken, 'listening');
    const { port } = taken.address() as { port: number };
    await expectRefusal(
      ['--repository', await useRepository(), '--port', String(port)],
      `cannot listen on 127.0.0.1:${port}`,
    );
  });

  it('names a repository that cannot be used', async () => {
    const repository = await useRepository();
    await expectRefusal(
      ['--repository', `${repository}/nowhere`],
      `The model repository ${repository}/nowhere does not exist`,
    );
    await expectRefusal(['--repository', path.join(repository, 'linear', 'config.pbtxt')], 'is not a folder');
  });

  it('names every model that it cannot serve, and serves the others', async () => {
    const repository = await useRepository();
    await mkdir(path.join(repository, 'empty'));
    await mkdir(path.join(repository, 'foreign', '1'), { recursive: true });
    await writeFile(path.join(repository, 'foreign', 'config.pbtxt'), 'backend: "python"');
    await rm(path.join(repository, 'picky', '1', 'model.onnx'));
    await writeFile(path.join(repository, 'linear', 'config.pbtxt'), 'backend: "onnxruntime" input {');
    const { address, notLoaded, said } = await start(['--repository', repository, '--port', '0']);
    const sentences = [
      expect.stringContaining("Model 'empty' has no version") as string,
      expect.stringContaining('foreign/config.pbtxt: line 1: platform must be') as string,
      expect.stringContaining('linear/config.pbtxt: line 1: expected the name of a field') as string,
      expect.stringContaining("Model 'picky' has no file") as string,
    ];
    expect(notLoaded).toEqual(sentences);
    const client = useClient({ address, deadlineMs: 10_000 });
    expect(await client.modelReady('identity')).toBe(true);
    await expect(client.modelMetadata('foreign')).rejects.toMatchObject({
      code: 'MODEL_NOT_READY',
      message: expect.stringContaining('platform must be') as string,
    });
    expect(
      (await client.repositoryIndex())
        .filter(({ state }) => state === 'UNAVAILABLE')
        .map(({ name, reason }) => [name, reason]),
    ).toEqual(['empty', 'foreign', 'linear', 'picky'].map((name, i) => [name, notLoaded[i]]));
    expect((await client.repositoryIndex({ readyOnly: true })).map(({ name }) => name)).toEqual(['identity']);
    expect(said().trimEnd().split('\n')).toEqual(notLoaded.map((sentence) => `model-server: not loaded: ${sentence}`));
  });
});
