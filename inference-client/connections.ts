/**
 * The one way into the connections of a grpc-js channel, which has no public access to them: the step of making a connection that is
 * handed to the credentials is wrapped in place. `_createSecureConnector` is declared in the types of grpc-js but internal by its name;
 * `test/inference-client/connections.test.ts` fails when another version has it no more.
 */
import type { Socket } from 'node:net';
import type { ChannelCredentials } from '@grpc/grpc-js';

/** Called for each connection: with its socket when TCP is there, and with what gRPC reads from (TLS on top of it, or itself) when that is. */
export interface ConnectionWatch {
  connecting(socket: Socket): void;
  connected?(socket: Socket, readFrom: Socket): void;
}

/**
 * Watches the connections that are made with these credentials. To be called before the channel connects.
 *
 * @throws Error when grpc-js has no such step
 */
export function watchConnections(credentials: ChannelCredentials, watch: ConnectionWatch): void {
  if (typeof credentials._createSecureConnector !== 'function')
    throw new Error('this version of @grpc/grpc-js cannot be watched: use the one that package.json names');
  const create = credentials._createSecureConnector.bind(credentials);
  credentials._createSecureConnector = (...parameters) => {
    const connector = create(...parameters);
    const connect = connector.connect.bind(connector);
    connector.connect = async (socket) => {
      watch.connecting(socket);
      const made = await connect(socket);
      watch.connected?.(socket, made.socket);
      return made;
    };
    return connector;
  };
}
