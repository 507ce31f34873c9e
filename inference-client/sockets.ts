/**
 * Keeps hold of the TCP connections of a channel, so that none outlives it.
 *
 * grpc-js forgets a connection that it closes while the peer has not said anything yet, and half-closes one whose peer has frozen: both stay open
 * for as long as the peer likes, one more with every channel that is replaced. It offers no public access to its sockets, so this wraps the one
 * step of making a connection that is handed to the credentials; `_createSecureConnector` is declared in its types but internal by its name.
 */
import type { Socket } from 'node:net';
import type { ChannelCredentials } from '@grpc/grpc-js';

/** How long a closing connection may take to say goodbye in order. */
const graceMs = 1_000;

/**
 * Wraps the credentials of one channel in place.
 *
 * @returns closes, after a moment of grace, every connection that was made with them and is still open; call it when the channel is closed
 */
export function trackSockets(credentials: ChannelCredentials): () => void {
  const open = new Set<Socket>();
  const create = credentials._createSecureConnector.bind(credentials);
  credentials._createSecureConnector = (...parameters) => {
    const connector = create(...parameters);
    const connect = connector.connect.bind(connector);
    connector.connect = (socket) => {
      open.add(socket);
      socket.once('close', () => open.delete(socket));
      return connect(socket);
    };
    return connector;
  };
  return () => {
    // A process that has nothing else to do need not wait for this.
    setTimeout(() => {
      for (const socket of open) socket.destroy();
    }, graceMs).unref();
  };
}
