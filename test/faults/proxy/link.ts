import { connect, type Socket } from 'node:net';
import type { FaultCounts } from './fault-proxy.ts';

/** What can be done to the bytes of a connection. */
export type ByteFault =
  | { kind: 'pass' }
  /** Each piece of data comes this much later, in both directions. */
  | { kind: 'latency'; ms: number }
  /** Nothing comes through in either direction until it heals, and then all of it, as after a network cut that TCP survives. */
  | { kind: 'black_hole' }
  /** Data is handed on in pieces of this size, one a time, this far apart. */
  | { kind: 'slice'; bytes: number; everyMs: number }
  /** Each piece of data that the server answers has this chance to be dropped, and the connection is then reset: it was done, and nobody was told. */
  | { kind: 'cut_reply'; chance: number; random: () => number };

/** One direction of a connection: a queue of pieces, handed on in order as the fault allows. */
class Direction {
  #queue: { piece: Buffer; dueMs: number }[] = [];
  #queuedBytes = 0;
  #timer: NodeJS.Timeout | undefined;
  #ended = false;
  fault: ByteFault = { kind: 'pass' };

  constructor(
    private readonly from: Socket,
    private readonly to: Socket,
    private readonly counts: FaultCounts,
  ) {
    from.on('data', (piece: Buffer) => this.#take(piece));
    from.once('end', () => {
      this.#ended = true;
      this.flush();
    });
    to.on('drain', () => this.flush());
  }

  /** Hands on what may go now, and comes back for the rest. */
  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    while (this.#queue.length > 0) {
      if (this.fault.kind === 'black_hole' || this.to.writableNeedDrain || this.to.destroyed) return;
      const next = this.#queue[0]!;
      const waitMs = next.dueMs - Date.now();
      if (waitMs > 0 && this.fault.kind !== 'pass') return this.#later(waitMs);
      const { fault } = this;
      if (fault.kind === 'slice' && next.piece.length > fault.bytes) {
        this.#write(next.piece.subarray(0, fault.bytes));
        this.#queue[0] = { piece: next.piece.subarray(fault.bytes), dueMs: Date.now() + fault.everyMs };
        continue;
      }
      this.#queue.shift();
      this.#write(next.piece);
    }
    if (this.#ended && !this.to.destroyed) this.to.end();
    this.from.resume();
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#queue = [];
  }

  #take(piece: Buffer): void {
    const { fault } = this;
    if (fault.kind !== 'pass' && fault.kind !== 'cut_reply') this.counts.delayed++;
    const delayMs = fault.kind === 'latency' ? fault.ms : fault.kind === 'slice' ? fault.everyMs : 0;
    this.#queue.push({ piece, dueMs: Date.now() + delayMs });
    this.#queuedBytes += piece.length;
    if (this.#queuedBytes > queuedBytesMax) this.from.pause();
    this.flush();
  }

  #write(piece: Buffer): void {
    this.#queuedBytes -= piece.length;
    this.to.write(piece);
  }

  #later(ms: number): void {
    this.#timer = setTimeout(() => this.flush(), ms);
  }
}

const queuedBytesMax = 1024 * 1024;

/** One client's connection and the one to the server behind it. */
export class ProxiedLink {
  readonly closed: Promise<void>;
  readonly #server: Socket;
  readonly #requests: Direction;
  readonly #replies: Direction;
  #fault: ByteFault = { kind: 'pass' };

  constructor(
    private readonly client: Socket,
    targetPort: number,
    private readonly counts: FaultCounts,
  ) {
    this.#server = connect({ port: targetPort, host: '127.0.0.1', allowHalfOpen: true });
    client.setNoDelay(true);
    this.#server.setNoDelay(true);
    // Before the direction's own listener: a reply that is cut must not be handed on.
    this.#server.on('data', () => this.#maybeCut());
    this.#requests = new Direction(client, this.#server, counts);
    this.#replies = new Direction(this.#server, client, counts);
    for (const socket of [client, this.#server]) socket.on('error', () => this.reset());
    this.closed = Promise.all(
      [client, this.#server].map((socket) => new Promise((resolve) => socket.once('close', resolve))),
    ).then(() => {
      this.#requests.stop();
      this.#replies.stop();
    });
    // A side that is closed without an error takes the other one along, once that has got all there is.
    client.once('close', () => this.#server.destroy());
    this.#server.once('close', () => client.destroySoon());
  }

  suffer(fault: ByteFault): void {
    this.#fault = fault;
    for (const direction of [this.#requests, this.#replies]) {
      direction.fault = fault;
      direction.flush();
    }
  }

  /** Ends both connections at once, the client's by a reset. */
  reset(): void {
    this.#requests.stop();
    this.#replies.stop();
    if (!this.client.destroyed) this.client.resetAndDestroy();
    this.#server.destroy();
  }

  #maybeCut(): void {
    const fault = this.#fault;
    if (fault.kind !== 'cut_reply' || this.client.destroyed || fault.random() >= fault.chance) return;
    this.counts.cutReplies++;
    this.reset();
  }
}
