/**
 * A gRPC channel that replaces itself when it hangs.
 *
 * grpc-js has no time-out for HTTP/2 SETTINGS: towards a peer that accepts the connection and then says nothing it stays "connecting" for ever, and goes
 * on doing so when a healthy server takes the address over. So calls that run into their deadline are counted, and after
 * `deadlineHitsMax` of them in a row, with no answer of any kind in between, the next call goes through a new channel.
 */
import {
  Client,
  credentials,
  Metadata,
  status as Status,
  type ChannelCredentials,
  type ServiceError,
} from '@grpc/grpc-js';
import { type ErrorPlace, InferenceError } from './errors.ts';
import { nameOfMethod, type UnaryMethod } from './methods.ts';
import type { ResolvedOptions, TlsOptions } from './options.ts';
import { trackSockets } from './sockets.ts';
import { fromServiceError } from './status.ts';

export interface CallOptions {
  readonly deadlineMs: number;
  readonly signal?: AbortSignal | undefined;
  readonly metadata?: Readonly<Record<string, string>> | undefined;
  /** For the error message. */
  readonly model?: string | undefined;
  readonly version?: string | undefined;
}

export interface Channel {
  /** Makes one call. Rejects with InferenceError, at the latest when the deadline is over. */
  unary<Request, Response>(
    method: UnaryMethod<Request, Response>,
    request: Request,
    options: CallOptions,
  ): Promise<Response>;
  /** Refuses new calls at once, and resolves when the calls under way have ended; their deadlines bound that. */
  close(): Promise<void>;
}

/** One grpc-js client; retired ones are closed when their last call has ended. */
interface Connection {
  readonly client: Client;
  readonly closeSockets: () => void;
  openCalls: number;
  deadlineHitsInRow: number;
  isRetired: boolean;
}

type ChannelOptions = Pick<ResolvedOptions, 'address' | 'tls' | 'metadata' | 'messageBytesMax' | 'deadlineHitsMax'> & {
  readonly onRebuild: () => void;
};

/** Creates a channel; it connects with the first call. */
export function createChannel(options: ChannelOptions): Channel {
  const connections = new Connections(options);
  return {
    unary(method, request, call) {
      const place: ErrorPlace = {
        address: options.address,
        method: nameOfMethod(method.path),
        ...(call.model !== undefined && { model: call.model }),
        ...(call.version && { version: call.version }),
      };
      return new Promise((resolve, reject) => {
        if (connections.isClosed) return reject(new InferenceError('CLIENT_CLOSED', 'The client was closed', place));
        if (call.signal?.aborted)
          return reject(new InferenceError('CANCELLED', 'Cancelled before it was sent', place, call.signal.reason));
        const metadata = headers(options.metadata, call.metadata, place);
        const connection = connections.take();
        const cancel = () => running.cancel();
        const running = connection.client.makeUnaryRequest(
          method.path,
          method.requestSerialize,
          method.responseDeserialize,
          request,
          metadata,
          { deadline: Date.now() + call.deadlineMs },
          (error, response) => {
            call.signal?.removeEventListener('abort', cancel);
            connections.ended(connection, error);
            if (error === null && response !== undefined) return resolve(response);
            if (call.signal?.aborted && error?.code === Status.CANCELLED)
              return reject(new InferenceError('CANCELLED', 'Cancelled', place, call.signal.reason));
            reject(
              error === null
                ? new InferenceError('BAD_RESPONSE', 'The answer was empty', place)
                : fromServiceError(error, place),
            );
          },
        );
        call.signal?.addEventListener('abort', cancel, { once: true });
      });
    },
    close: () => connections.close(),
  };
}

/** The connection that new calls go through, and those before it whose calls are still under way. */
class Connections {
  readonly #options: ChannelOptions;
  #current: Connection;
  readonly #open: Set<Connection>;
  readonly #onAllClosed: (() => void)[] = [];
  isClosed = false;

  constructor(options: ChannelOptions) {
    this.#options = options;
    this.#current = connect(options);
    this.#open = new Set([this.#current]);
  }

  /** The connection for one call, which has to say when it has `ended`. */
  take(): Connection {
    this.#current.openCalls++;
    return this.#current;
  }

  ended(connection: Connection, error: ServiceError | null): void {
    connection.openCalls--;
    // Any other outcome, a refused connection included, shows that the channel is not stuck.
    connection.deadlineHitsInRow = error?.code === Status.DEADLINE_EXCEEDED ? connection.deadlineHitsInRow + 1 : 0;
    const isStuck = connection.deadlineHitsInRow >= this.#options.deadlineHitsMax;
    if (isStuck && connection === this.#current && !this.isClosed) {
      this.#current = connect(this.#options);
      this.#open.add(this.#current);
      this.#retire(connection);
      this.#options.onRebuild();
    }
    this.#closeIfDone(connection);
  }

  /** Resolves when the calls under way have ended. */
  close(): Promise<void> {
    const allClosed = new Promise<void>((resolve) =>
      this.#open.size === 0 ? resolve() : this.#onAllClosed.push(resolve),
    );
    this.isClosed = true;
    this.#retire(this.#current);
    return allClosed;
  }

  #retire(connection: Connection): void {
    connection.isRetired = true;
    this.#closeIfDone(connection);
  }

  #closeIfDone(connection: Connection): void {
    if (!connection.isRetired || connection.openCalls > 0 || !this.#open.delete(connection)) return;
    connection.client.close();
    connection.closeSockets();
    if (this.isClosed && this.#open.size === 0) for (const resolve of this.#onAllClosed.splice(0)) resolve();
  }
}

function connect({ address, tls, messageBytesMax }: ChannelOptions): Connection {
  const channelCredentials = credentialsOf(tls);
  const closeSockets = trackSockets(channelCredentials);
  const client = new Client(address, channelCredentials, {
    'grpc.max_receive_message_length': messageBytesMax,
    'grpc.max_send_message_length': messageBytesMax,
    'grpc.keepalive_time_ms': 30_000,
    'grpc.keepalive_timeout_ms': 15_000,
    // Triton answers pings on an idle connection with GOAWAY "too_many_pings"; a connection that died idle costs the next calls their deadline.
    'grpc.keepalive_permit_without_calls': 0,
    // The default grows to two minutes: a server that was away that long would be missed for as long again.
    'grpc.initial_reconnect_backoff_ms': 100,
    'grpc.max_reconnect_backoff_ms': 2_000,
    // The address is meant: variables such as http_proxy would send even a server of this machine's through a proxy.
    'grpc.enable_http_proxy': 0,
    // One layer retries, the caller's; two of them multiply.
    'grpc.enable_retries': 0,
    // From the global pool a new channel would get the very connection that hangs.
    'grpc.use_local_subchannel_pool': 1,
    ...(tls?.serverName !== undefined && {
      'grpc.ssl_target_name_override': tls.serverName,
      'grpc.default_authority': tls.serverName,
    }),
  });
  return { client, closeSockets, openCalls: 0, deadlineHitsInRow: 0, isRetired: false };
}

function credentialsOf(tls: TlsOptions | undefined): ChannelCredentials {
  if (tls === undefined) return credentials.createInsecure();
  const buffer = (pem: Uint8Array | string | undefined) => (pem === undefined ? null : Buffer.from(pem));
  try {
    return credentials.createSsl(buffer(tls.ca), buffer(tls.key), buffer(tls.cert));
  } catch (error) {
    throw new InferenceError(
      'INVALID_CONFIG',
      `tls: ${error instanceof Error ? error.message : String(error)}`,
      {},
      error,
    );
  }
}

function headers(always: ResolvedOptions['metadata'], once: CallOptions['metadata'], place: ErrorPlace): Metadata {
  const metadata = new Metadata();
  for (const [key, value] of Object.entries({ ...always(), ...once })) {
    try {
      metadata.set(key, value);
    } catch {
      // No cause: grpc-js repeats the value, which may be a token.
      throw new InferenceError(
        'INVALID_CONFIG',
        `metadata: '${key}' or its value cannot travel as a gRPC header`,
        place,
      );
    }
  }
  return metadata;
}
