/** The model server as a part that a process or a test starts and closes. */
import { Server, ServerCredentials } from '@grpc/grpc-js';
import { GRPCInferenceServiceService } from '@headrace/inference-client/generated';
import { createModels } from './models.ts';
import { createService } from './service.ts';

export interface ModelServerOptions {
  readonly repositoryFolder: string;
  /** @default '127.0.0.1' */
  readonly host?: string;
  /** 0 takes a free one. */
  readonly port: number;
  /** @default no encryption */
  readonly credentials?: ServerCredentials;
  /** Inference requests that may wait or run at once. @default 256 */
  readonly requestsMax?: number;
  /** Receives errors that are bugs of this server. @default the console */
  readonly onBug?: (error: unknown) => void;
}

export interface ModelServer {
  /** `host:port` */
  readonly address: string;
  readonly port: number;
  /** A sentence for each model of the repository that cannot be served. */
  readonly notLoaded: readonly string[];
  /** Lets running calls end for at most `graceMs` (default 5000), then ends them, and frees the models. */
  close(graceMs?: number): Promise<void>;
}

// The largest message in either direction, as in our client: 64 MiB are 16 million features.
const messageBytesMax = 64 * 1024 * 1024;

const serverMetadata = {
  name: 'headrace-model-server',
  version: '0.1.0',
  extensions: ['model_repository', 'model_configuration', 'binary_tensor_data', 'statistics'],
};

/**
 * Loads every model of the repository that can be served, then listens. One that cannot, in a repository that is shared with other servers or
 * broken, keeps no other from being served: it is named in `notLoaded`, and in the answers to whoever asks for it.
 *
 * @throws Error with one sentence about what is wrong: the repository or the address
 */
export async function startModelServer(options: ModelServerOptions): Promise<ModelServer> {
  const {
    repositoryFolder,
    port,
    credentials = ServerCredentials.createInsecure(),
    requestsMax = 256,
    onBug = (bug) => void process.stderr.write(`${String(bug)}\n`),
  } = options;
  const { host: givenHost = '127.0.0.1' } = options;
  const host = givenHost.includes(':') ? `[${givenHost}]` : givenHost;
  const models = createModels(repositoryFolder);
  const server = new Server({
    'grpc.max_receive_message_length': messageBytesMax,
    'grpc.max_send_message_length': messageBytesMax,
  });
  server.addService(GRPCInferenceServiceService, createService({ models, serverMetadata, requestsMax, onBug }));
  try {
    const notLoaded = await models.loadAll();
    const boundPort = await bind(server, host, port, credentials);
    return {
      address: `${host}:${boundPort}`,
      port: boundPort,
      notLoaded,
      close: (graceMs = 5_000) => close(server, graceMs).then(() => models.close()),
    };
  } catch (error) {
    server.forceShutdown();
    await models.close();
    throw error;
  }
}

function bind(server: Server, host: string, port: number, credentials: ServerCredentials): Promise<number> {
  const address = `${host}:${port}`;
  return new Promise((resolve, reject) => {
    server.bindAsync(address, credentials, (error, boundPort) => {
      if (error === null) return resolve(boundPort);
      reject(
        new Error(
          `The model server cannot listen on ${address}: ${error.message}. Choose another host or port; port 0 takes a free one.`,
          { cause: error },
        ),
      );
    });
  });
}

function close(server: Server, graceMs: number): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => server.forceShutdown(), graceMs);
    server.tryShutdown(() => {
      clearTimeout(timer);
      resolve();
    });
  });
}
