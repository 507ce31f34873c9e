/**
 * Keeps hold of the TCP connections of a channel, so that none outlives it: grpc-js forgets a connection that it closes while the peer has
 * not said anything yet, and half-closes one whose peer has frozen. Both stay open for as long as the peer likes, one more with every
 * channel that is replaced.
 */
import type { Socket } from 'node:net';
import type { ChannelCredentials } from '@grpc/grpc-js';
import { watchConnections } from './connections.ts';

/** How long a closing connection may take to say goodbye in order. */
const graceMs = 1_000;

/**
 * Wraps the credentials of one channel in place.
 *
 * @returns closes, after a moment of grace, every connection that was made with them and is still open; call it when the channel is closed
 */
export function trackSockets(credentials: ChannelCredentials): () => void {
  const open = new Set<Socket>();
  watchConnections(credentials, {
    connecting(socket) {
      open.add(socket);
      socket.once('close', () => open.delete(socket));
    },
  });
  return () => {
    // A process that has nothing else to do need not wait for this.
    setTimeout(() => {
      for (const socket of open) socket.destroy();
    }, graceMs).unref();
  };
}
