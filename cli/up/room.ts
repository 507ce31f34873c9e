/** Whether there is room to produce events. Whoever produces waits here while there is none. */
export class Room {
  #isOpen = true;
  #waiting: (() => void)[] = [];

  /** Resolves at once while there is room, else when there is some again or the signal is aborted. */
  wait(signal: AbortSignal): Promise<void> {
    if (this.#isOpen || signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const done = () => {
        signal.removeEventListener('abort', done);
        resolve();
      };
      this.#waiting.push(done);
      signal.addEventListener('abort', done);
    });
  }

  close(): void {
    this.#isOpen = false;
  }

  open(): void {
    this.#isOpen = true;
    for (const done of this.#waiting.splice(0)) done();
  }
}
