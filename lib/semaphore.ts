/** So many at once; others wait in line. A place that is given back goes to the first in line, and nobody can come between. */
export class Semaphore {
  #taken = 0;
  readonly #line: (() => void)[] = [];

  constructor(private readonly max: number) {}

  get taken(): number {
    return this.#taken;
  }

  get isFull(): boolean {
    return this.#taken >= this.max;
  }

  get waiting(): number {
    return this.#line.length;
  }

  /** Takes a place if there is one. It has to be given back. */
  tryAcquire(): boolean {
    if (this.isFull) return false;
    this.#taken++;
    return true;
  }

  /** Waits in line for a place, which has to be given back. Rejects with the signal's reason. */
  async acquire(signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    let isMine = false;
    await new Promise<void>((resolve) => {
      const onAbort = () => {
        this.#line.splice(this.#line.indexOf(take), 1);
        resolve();
      };
      const take = () => {
        signal?.removeEventListener('abort', onAbort);
        isMine = true;
        resolve();
      };
      this.#line.push(take);
      signal?.addEventListener('abort', onAbort, { once: true });
    });
    if (!signal?.aborted) return;
    if (isMine) this.release();
    signal.throwIfAborted();
  }

  release(): void {
    const next = this.#line.shift();
    if (next) next();
    else this.#taken--;
  }
}
