/** Starts the real tritonserver on the fixtures, through its Python backend. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { createInferenceClient } from '../../../inference-client/index.ts';
import type { Target } from '../conformance.ts';
import { copyRepository, freePort } from '../support/servers.ts';
import type { PythonEnvironment } from './environment.ts';

/** Each model is a Python process of its own, and the machine may be busy. */
const readyMsMax = 180_000;
const stopMsMax = 15_000;

/** The server with its models loaded. `extraModels` changes the copied repository before the start. */
export async function startTriton(
  environment: PythonEnvironment,
  prepare: (repositoryFolder: string) => Promise<void> = async () => undefined,
): Promise<Target> {
  const repositoryFolder = await copyRepository();
  try {
    for (const model of await readdir(repositoryFolder)) await usePythonBackend(path.join(repositoryFolder, model));
    await prepare(repositoryFolder);
    const port = await freePort();
    const child = launch(environment, repositoryFolder, port);
    const stop = async () => {
      await stopProcess(child.process);
      await rm(repositoryFolder, { recursive: true, force: true });
    };
    try {
      await waitUntilReady(`127.0.0.1:${port}`, child);
    } catch (error) {
      await stop();
      throw error;
    }
    return { address: `127.0.0.1:${port}`, repositoryFolder, stop };
  } catch (error) {
    await rm(repositoryFolder, { recursive: true, force: true });
    throw error;
  }
}

/** The same configuration with the only backend that this tritonserver has; model.py runs the model.onnx beside it. */
export async function usePythonBackend(modelFolder: string): Promise<void> {
  const configPath = path.join(modelFolder, 'config.pbtxt');
  const config = await readFile(configPath, 'utf8');
  await writeFile(configPath, `${config.replace(/^(?:platform|backend):.*\n/gm, '')}backend: "python"\n`);
  for (const entry of await readdir(modelFolder)) {
    if (/^\d+$/.test(entry))
      await copyFile(path.join(import.meta.dirname, 'model.py'), path.join(modelFolder, entry, 'model.py'));
  }
}

interface Launched {
  readonly process: ChildProcess;
  lastOutput(): string;
}

function launch(
  { tritonFolder, sitePackagesFolder, libraryFolder, python }: PythonEnvironment,
  repositoryFolder: string,
  port: number,
): Launched {
  let output = '';
  const child = spawn(
    path.join(tritonFolder, 'bin', 'tritonserver'),
    [
      `--model-repository=${repositoryFolder}`,
      `--backend-directory=${path.join(tritonFolder, 'backends')}`,
      '--model-control-mode=explicit',
      '--load-model=*',
      '--grpc-address=127.0.0.1',
      `--grpc-port=${port}`,
      '--allow-http=false',
      '--allow-metrics=false',
      '--exit-timeout-secs=5',
      // Shared memory is named by this prefix; another tritonserver on the machine must not have the same.
      `--backend-config=python,shm-region-prefix-name=headrace_${process.pid}_${port}_`,
    ],
    {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        ...process.env,
        PATH: `${path.dirname(python)}:${process.env['PATH'] ?? ''}`,
        PYTHONPATH: sitePackagesFolder,
        LD_LIBRARY_PATH: libraryFolder,
      },
    },
  );
  const keep = (chunk: Buffer) => {
    output = (output + chunk.toString()).slice(-4_000);
  };
  child.stdout?.on('data', keep);
  child.stderr?.on('data', keep);
  return { process: child, lastOutput: () => output };
}

async function waitUntilReady(address: string, child: Launched): Promise<void> {
  const client = createInferenceClient({ address, deadlineMs: 1_000 });
  const endMs = performance.now() + readyMsMax;
  let launchError: Error | undefined;
  child.process.on('error', (error) => {
    launchError = error;
  });
  try {
    while (!(await client.serverReady().catch(() => false))) {
      if (launchError !== undefined || child.process.exitCode !== null)
        throw new Error(`tritonserver ended: ${launchError?.message ?? child.lastOutput()}`);
      if (performance.now() > endMs)
        throw new Error(`tritonserver is not ready after ${readyMsMax} ms: ${child.lastOutput()}`);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  } finally {
    await client.close();
  }
}

async function stopProcess(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), stopMsMax);
  await exited;
  clearTimeout(timer);
}
