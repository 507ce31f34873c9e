/** Peers for tests: the embedded model server, a server with scripted answers, and one that accepts connections and says nothing. */
import { once } from 'node:events';
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Server, ServerCredentials, type UntypedServiceImplementation } from '@grpc/grpc-js';
import { type GRPCInferenceServiceServer, GRPCInferenceServiceService } from '@headrace/inference-client/generated';
import { onTestFinished } from 'vitest';
import {
  createInferenceClient,
  type InferenceClient,
  type InferenceClientOptions,
} from '../../../inference-client/index.ts';
import { type ModelServer, type ModelServerOptions, startModelServer } from '../../../stack/model-server/server.ts';

const fixtureRepository = path.join(import.meta.dirname, '..', 'fixtures', 'repository');

/** A copy of the fixtures that a test may change; the caller removes it. */
export async function copyRepository(): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), 'headrace-models-'));
  await cp(fixtureRepository, folder, { recursive: true });
  return folder;
}

/** A fresh copy of the fixtures, gone when the test ends. */
export async function useRepository(): Promise<string> {
  const folder = await copyRepository();
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** The embedded server in this process, closed when the test ends. */
export async function useModelServer(
  options: Partial<ModelServerOptions> = {},
): Promise<ModelServer & { repositoryFolder: string }> {
  const repositoryFolder = options.repositoryFolder ?? (await useRepository());
  const server = await startModelServer({ port: 0, ...options, repositoryFolder });
  let closing: Promise<void> | undefined;
  const close = (graceMs?: number) => (closing ??= server.close(graceMs));
  onTestFinished(() => close(0));
  return { ...server, close, repositoryFolder };
}

/** A client, closed when the test ends. */
export function useClient(options: InferenceClientOptions): InferenceClient {
  const client = createInferenceClient(options);
  onTestFinished(() => client.close());
  return client;
}

/** A gRPC server whose answers the test writes; what it does not write is UNIMPLEMENTED. */
export async function useScriptedServer(
  handlers: Partial<GRPCInferenceServiceServer>,
  options: { port?: number; credentials?: ServerCredentials } = {},
): Promise<string> {
  const server = new Server();
  server.addService(GRPCInferenceServiceService, handlers as UntypedServiceImplementation);
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync(
      `127.0.0.1:${options.port ?? 0}`,
      options.credentials ?? ServerCredentials.createInsecure(),
      (error, bound) => (error ? reject(error) : resolve(bound)),
    );
  });
  onTestFinished(() => server.forceShutdown());
  return `127.0.0.1:${port}`;
}

export interface BlackHole {
  readonly address: string;
  readonly port: number;
  /** Connections that are open now. */
  readonly openSockets: ReadonlySet<Socket>;
  /** Gives the port free for another server, while the connections that are open stay open and silent. */
  stopListening(): void;
}

/** Accepts TCP connections, reads, and never writes a byte. */
export async function useBlackHole(): Promise<BlackHole> {
  const openSockets = new Set<Socket>();
  const server = createServer((socket) => {
    openSockets.add(socket);
    socket.on('close', () => openSockets.delete(socket));
    socket.on('error', () => socket.destroy());
    socket.resume();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const stopListening = () => {
    server.close();
  };
  onTestFinished(() => {
    stopListening();
    for (const socket of openSockets) socket.destroy();
  });
  return { address: `127.0.0.1:${port}`, port, openSockets, stopListening };
}

/** A port that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const closed = once(server, 'close');
  server.close();
  await closed;
  return port;
}
