import { createWriteStream, type WriteStream } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Child } from '../../live/child.ts';

export type Role = 'bridge' | 'worker';

const restartMs = 500;
const readyTimeoutMs = 120_000;

/**
 * One bridge or worker that is kept running, as a supervisor of a production would: what ends by itself is started again. A test
 * may kill it, freeze it, or keep it down.
 */
export class Member {
  #child: Child | undefined;
  #isWanted = false;
  #isOver = false;
  #looked: Promise<void> = Promise.resolve();
  #starts = 0;
  readonly #log: WriteStream;
  /** Lines that it logged, by what they contain; see `watch`. */
  readonly #watched = new Map<string, number>();
  /** Ends that nobody asked for, with their last lines. */
  readonly unexpectedEnds: string[] = [];

  constructor(
    readonly name: string,
    private readonly role: Role,
    private readonly options: { productRoot: string; logDir: string; env: () => Record<string, string> },
  ) {
    this.#log = createWriteStream(join(options.logDir, `${name}.log`), { flags: 'a' });
  }

  /** Counts the lines from now on that contain this text. */
  watch(text: string): void {
    if (!this.#watched.has(text)) this.#watched.set(text, 0);
  }

  seen(text: string): number {
    return this.#watched.get(text) ?? 0;
  }

  get isUp(): boolean {
    return this.#isWanted;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** The last lines that it logged. */
  log(): string {
    return this.#child?.log() ?? '';
  }

  start(): void {
    if (this.#isWanted || this.#isOver) return;
    this.#isWanted = true;
    const looked = this.#looked;
    this.#looked = (async () => {
      await looked;
      await this.#keepRunning();
    })();
  }

  /** Resolves when the process says that it is ready, however often it has to be started for that. */
  async ready(): Promise<void> {
    for (const endMs = Date.now() + readyTimeoutMs; this.#isWanted; ) {
      if (Date.now() > endMs)
        throw new Error(
          `${this.name} was not ready within ${readyTimeoutMs / 1_000} s; its ends: ${this.unexpectedEnds.join('; ')}\n${this.log()}`,
        );
      const child = this.#child;
      const isReady = await child?.ready.then(
        () => true,
        () => false,
      );
      if (isReady && child === this.#child) return;
      await sleep(100);
    }
  }

  /** SIGKILL, and stays down until `start`. */
  async kill(): Promise<void> {
    this.#isWanted = false;
    await this.#child?.kill();
    await this.#looked;
  }

  /** SIGTERM, and stays down until `start`. Returns the exit code. */
  async stop(): Promise<number | null> {
    this.#isWanted = false;
    const code = (await this.#child?.stop()) ?? null;
    await this.#looked;
    return code;
  }

  /** SIGSTOP until `thaw`. */
  freeze(): void {
    this.#child?.signal('SIGSTOP');
  }

  thaw(): void {
    this.#child?.signal('SIGCONT');
  }

  /** Ends it for good, frozen or not. A run that is interrupted goes on until its process ends, and must not start it again. */
  async end(): Promise<void> {
    this.#isOver = true;
    this.thaw();
    await this.stop();
    await new Promise<void>((resolve) => this.#log.end(resolve));
  }

  async #keepRunning(): Promise<void> {
    while (this.#isWanted) {
      this.#log.write(`=== start ${++this.#starts}\n`);
      const child = new Child(this.name, join(this.options.productRoot, this.role, 'main.ts'), this.options.env(), {
        cwd: this.options.productRoot,
        onLine: (line) => this.#onLine(line),
      });
      this.#child = child;
      const { code, signal } = await child.exited;
      this.#log.write(`=== ended: ${signal ?? code}\n`);
      // It was told to end; or it was not, and comes back as under any supervisor.
      if (!this.#isWanted) return;
      this.unexpectedEnds.push(`${this.name} ended by itself (${signal ?? code}): ${child.log().split('\n').at(-1)}`);
      await sleep(restartMs);
    }
  }

  #onLine(line: string): void {
    this.#log.write(`${line}\n`);
    for (const [text, count] of this.#watched) if (line.includes(text)) this.#watched.set(text, count + 1);
  }
}
