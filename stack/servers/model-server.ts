import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { choosePort, startOnFreePorts } from './ports.ts';
import { launch } from './process.ts';
import { findJsonLine, waitUntilReady } from './ready.ts';
import { serverOf } from './types.ts';
import type { EmbeddedServer, StartOptions } from './types.ts';

export interface StartModelServerOptions extends StartOptions {
  /** A Triton model repository. It is read, never written. */
  repository: string;
}

/** A running model server. `address` takes KServe v2 gRPC. */
export interface ModelServer extends EmbeddedServer {
  /** A sentence for each model of the repository that it cannot serve. */
  notLoaded: readonly string[];
}

const program = fileURLToPath(new URL('../model-server/main.ts', import.meta.url));
const root = fileURLToPath(new URL('../..', import.meta.url));

async function startOnce(options: StartModelServerOptions): Promise<ModelServer> {
  const port = options.port ?? (await choosePort(options.preferredPort));
  const child = await launch({
    name: 'model-server',
    command: process.execPath,
    cwd: root,
    env: options.env,
    logFile: join(options.dataDir, 'model-server.log'),
    onLaunch: options.onLaunch,
    args: [
      '--import',
      'tsx',
      program,
      '--repository',
      options.repository,
      '--host',
      '127.0.0.1',
      '--port',
      String(port),
    ],
  });
  try {
    const { address, notLoaded } = await waitUntilReady({
      process: child,
      timeoutMs: options.readyTimeoutMs ?? 60_000,
      probe: async () =>
        findJsonLine(child, (line) =>
          typeof line['listening'] === 'string'
            ? { address: line['listening'], notLoaded: line['notLoaded'] as string[] }
            : undefined,
        ),
    });
    return { ...serverOf('model-server', address, child), notLoaded };
  } catch (error) {
    await child.stop();
    throw error;
  }
}

/** Starts the embedded model server and waits until it says where it listens, which it does once its models are loaded. */
export function startModelServer(options: StartModelServerOptions): Promise<ModelServer> {
  mkdirSync(options.dataDir, { recursive: true });
  return startOnFreePorts('the model server', options.port, () => startOnce(options));
}
