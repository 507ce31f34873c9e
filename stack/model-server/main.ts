/**
 * The model server as a process: KServe v2 gRPC over ONNX Runtime, for a Triton model repository.
 *
 *     node --import tsx stack/model-server/main.ts --repository models/repository --port 8001
 *
 * Options, or else variables: `--repository` MODEL_REPOSITORY, `--host` MODEL_SERVER_HOST (127.0.0.1), `--port` MODEL_SERVER_PORT (8001; 0 takes a free one).
 * When it is ready it prints one line of JSON, `{"listening":"127.0.0.1:8001","notLoaded":[]}`. SIGINT or SIGTERM: running calls end, exit code 0.
 * A model that cannot be served: a sentence on stderr and in `notLoaded`. Anything else wrong at the start: a sentence on stderr, exit code 1.
 */
import { parseArgs } from 'node:util';
import { logVerbosity, setLogVerbosity } from '@grpc/grpc-js';
import { startModelServer } from './server.ts';

interface Settings {
  readonly repositoryFolder: string;
  readonly host: string;
  readonly port: number;
}

function readSettings(args: string[], env: NodeJS.ProcessEnv): Settings {
  const { values } = parseArgs({
    args,
    options: { repository: { type: 'string' }, host: { type: 'string' }, port: { type: 'string' } },
  });
  const repositoryFolder = values.repository || env['MODEL_REPOSITORY'];
  if (!repositoryFolder)
    throw new Error('No model repository is named; give --repository FOLDER or set MODEL_REPOSITORY.');
  const portText = values.port || env['MODEL_SERVER_PORT'] || '8001';
  const port = /^\d+$/.test(portText) ? Number(portText) : Number.NaN;
  if (!(port <= 65_535))
    throw new Error(`The port '${portText}' is not a number from 0 to 65535; correct --port or MODEL_SERVER_PORT.`);
  return { repositoryFolder, host: values.host || env['MODEL_SERVER_HOST'] || '127.0.0.1', port };
}

async function main(): Promise<void> {
  // What grpc-js logs it also reports as an error, and fail() turns that into a sentence.
  setLogVerbosity(logVerbosity.NONE);
  const server = await startModelServer(readSettings(process.argv.slice(2), process.env));
  let isStopping = false;
  const stop = () => {
    if (isStopping) return;
    isStopping = true;
    server.close().then(() => process.exit(0), fail);
  };
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
  for (const sentence of server.notLoaded) process.stderr.write(`model-server: not loaded: ${sentence}\n`);
  process.stdout.write(`${JSON.stringify({ listening: server.address, notLoaded: server.notLoaded })}\n`);
}

function fail(error: unknown): void {
  process.stderr.write(`model-server: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
}

main().catch(fail);
