import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { ProxiedLink, type ByteFault } from './link.ts';

/** What the proxy does to connections. Those of `ByteFault` hurt the bytes of open connections too. */
export type Fault =
  | ByteFault
  /** Nothing listens, and open connections are reset. */
  | { kind: 'refuse' }
  /** New connections are accepted and never answered, not even later; open ones are reset. A peer that hangs looks like that. */
  | { kind: 'silent' };

/** How often the faults had an effect. A schedule in which they never did has tested nothing. */
export interface FaultCounts {
  /** Connections that were taken to the server. */
  connections: number;
  /** Connections that were reset by a fault. */
  resets: number;
  /** Connections that were accepted and left without an answer. */
  silent: number;
  /** Replies that the server sent and the client never saw. */
  cutReplies: number;
  /** Pieces of data that came late, in slices, or were held back. */
  delayed: number;
}

/**
 * A TCP proxy in front of one server, in this process, whose connections can be made to suffer. Its address never changes: a server that
 * is started again, or listens elsewhere, is reached through the same one.
 */
export class FaultProxy {
  readonly counts: FaultCounts = { connections: 0, resets: 0, silent: 0, cutReplies: 0, delayed: 0 };
  #fault: Fault = { kind: 'pass' };
  #listener: Server | undefined;
  readonly #links = new Set<ProxiedLink>();
  readonly #silent = new Set<Socket>();

  private constructor(
    readonly port: number,
    private targetPort: number,
  ) {}

  /** Listens on loopback, on this port or on any free one. */
  static async start(targetPort: number, port = 0): Promise<FaultProxy> {
    const listener = await listen(port);
    const proxy = new FaultProxy((listener.address() as AddressInfo).port, targetPort);
    proxy.#adopt(listener);
    return proxy;
  }

  /** `host:port` that clients connect to. */
  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  get fault(): Fault {
    return this.#fault;
  }

  /** From now on, this fault instead of the one before. */
  async set(fault: Fault): Promise<void> {
    this.#fault = fault;
    if (fault.kind === 'refuse') await this.#stopListening();
    else if (!this.#listener) this.#adopt(await listen(this.port));
    if (fault.kind === 'refuse' || fault.kind === 'silent') this.resetAll();
    else for (const link of this.#links) link.suffer(fault);
  }

  /** Takes the fault away. Connections that were left without an answer stay so. */
  heal(): Promise<void> {
    return this.set({ kind: 'pass' });
  }

  /** Takes clients to another server from now on. Those that are connected are reset, and come again. */
  retarget(port: number): void {
    this.targetPort = port;
    this.resetAll();
  }

  /** Resets every open connection, once. */
  resetAll(): void {
    for (const link of this.#links) {
      this.counts.resets++;
      link.reset();
    }
  }

  /** Stops listening and ends every connection. */
  async stop(): Promise<void> {
    for (const link of this.#links) link.reset();
    for (const socket of this.#silent) socket.destroy();
    await this.#stopListening();
  }

  #adopt(listener: Server): void {
    this.#listener = listener;
    listener.on('connection', (client) => this.#accept(client));
  }

  #accept(client: Socket): void {
    const fault = this.#fault;
    if (fault.kind === 'silent') {
      this.counts.silent++;
      this.#silent.add(client);
      client.on('error', () => undefined);
      client.once('close', () => this.#silent.delete(client));
      client.resume();
      return;
    }
    this.counts.connections++;
    const link = new ProxiedLink(client, this.targetPort, this.counts);
    this.#links.add(link);
    void link.closed.then(() => this.#links.delete(link));
    if (fault.kind !== 'refuse') link.suffer(fault);
  }

  async #stopListening(): Promise<void> {
    const listener = this.#listener;
    this.#listener = undefined;
    if (!listener) return;
    await new Promise<void>((resolve) => {
      // Resolves when the last connection is gone, too; the port is free at once.
      listener.close(() => resolve());
      for (const link of this.#links) link.reset();
      for (const socket of this.#silent) socket.destroy();
    });
  }
}

function listen(port: number): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer({ allowHalfOpen: true });
    server.once('error', reject);
    server.listen({ port, host: '127.0.0.1' }, () => resolve(server));
  });
}
