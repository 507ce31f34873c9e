import type { Socket } from 'node:net';
import type { ChannelCredentials } from '@grpc/grpc-js';
import { watchConnections } from '@headrace/inference-client/connections';

/**
 * Gives up connections of a channel whose peer has not said a single byte after so long. grpc-js has no time-out for that: towards a peer
 * that accepts the connection and then is silent it stays "connecting" for ever, also when a healthy server is back at that address
 * long since. Given up, it connects again after its usual back-off. With TLS it is the decrypted bytes that count: a handshake that ends and
 * is followed by nothing is silence, too, and so is one that does not end. To be called before the channel connects.
 */
export function boundHandshake(credentials: ChannelCredentials, timeoutMs: number): void {
  const readingFrom = new WeakMap<Socket, Socket>();
  watchConnections(credentials, {
    connecting(socket) {
      const timer = setTimeout(() => {
        if (!readingFrom.get(socket)?.bytesRead)
          socket.destroy(new Error(`connected, and no answer within ${timeoutMs} ms`));
      }, timeoutMs);
      timer.unref();
      socket.once('close', () => clearTimeout(timer));
    },
    connected: (socket, readFrom) => void readingFrom.set(socket, readFrom),
  });
}
