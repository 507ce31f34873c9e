import type { Socket } from 'node:net';
import type { ChannelCredentials } from '@grpc/grpc-js';

/**
 * Gives up connections of a channel whose peer has not said a single byte after so long. grpc-js has no time-out for that: towards a peer
 * that accepts the connection and then is silent it stays "connecting" for ever, also when a healthy server is back at that address
 * long since. Given up, it connects again after its usual back-off. With TLS it is the decrypted bytes that count: a handshake that ends and
 * is followed by nothing is silence, too, and so is one that does not end.
 *
 * grpc-js offers no public access to its sockets, so this wraps, in place, the one step of making a connection that is handed to the credentials;
 * `_createSecureConnector` is declared in its types but internal by its name. To be called before the channel connects.
 */
export function boundHandshake(credentials: ChannelCredentials, timeoutMs: number): void {
  const create = credentials._createSecureConnector.bind(credentials);
  credentials._createSecureConnector = (...parameters) => {
    const connector = create(...parameters);
    const connect = connector.connect.bind(connector);
    connector.connect = async (socket) => {
      /** What gRPC reads from: the connection itself, or TLS on top of it. */
      let readFrom: Socket | undefined = undefined;
      const timer = setTimeout(() => {
        if (!readFrom?.bytesRead) socket.destroy(new Error(`connected, and no answer within ${timeoutMs} ms`));
      }, timeoutMs);
      timer.unref();
      socket.once('close', () => clearTimeout(timer));
      const connected = await connect(socket);
      readFrom = connected.socket;
      return connected;
    };
    return connector;
  };
}
