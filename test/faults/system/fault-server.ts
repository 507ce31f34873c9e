import type { EmbeddedServer } from '../../../stack/servers/index.ts';
import type { Fault, FaultProxy } from '../proxy/fault-proxy.ts';

/** A real server behind a proxy. It can be killed and started again on its data, and its address stays. */
export class FaultServer<S extends EmbeddedServer = EmbeddedServer> {
  #isUp = true;
  #isOver = false;
  /** The last restart, which may be under way. */
  #restarted: Promise<unknown> = Promise.resolve();
  /** What the proxy did before the server went down. */
  #faultBefore: Fault = { kind: 'pass' };

  private constructor(
    readonly name: string,
    readonly proxy: FaultProxy,
    private readonly launch: () => Promise<S>,
    private server: S,
  ) {}

  /** @param launch starts the server, always on the same ports and data */
  static async start<S extends EmbeddedServer>(
    name: string,
    proxy: FaultProxy,
    launch: () => Promise<S>,
  ): Promise<FaultServer<S>> {
    return new FaultServer(name, proxy, launch, await launch());
  }

  /** The running server; its own address goes past the proxy. */
  get direct(): S {
    return this.server;
  }

  get isUp(): boolean {
    return this.#isUp;
  }

  /** Sends the signal, and waits for the end. Clients are refused then, as they would be without the proxy. */
  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    this.#isUp = false;
    this.server.kill(signal);
    await this.server.exited;
    this.#faultBefore = this.proxy.fault;
    await this.proxy.set({ kind: 'refuse' });
  }

  /** Starts it again on its data, and waits until it answers. Does nothing once it was stopped. */
  async restart(): Promise<void> {
    if (this.#isUp || this.#isOver) return;
    const launched = this.launch();
    this.#restarted = launched.catch(() => undefined);
    this.server = await launched;
    if (this.#isOver) return;
    this.#isUp = true;
    await this.proxy.set(this.#faultBefore);
  }

  /** Ends it for good, also when it is being started: a run that is interrupted goes on until its process ends. */
  async stop(): Promise<void> {
    this.#isOver = true;
    await this.proxy.stop();
    await this.#restarted;
    await this.server.stop();
  }
}
