/** Whether there is room to produce events. Whoever produces waits here while there is none. */
export class Room {
  #isOpen = true;
  #waiting: (() => void)[] = [];

  /** Resolves at once while there is room, else when there is some again or the signal is aborted. */
  wait(signal: AbortSignal): Promise<void> {
    if (this.#isOpen || signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      signal.addEventListener('abort', () => resolve(), { once: true });
    });
  }

  close(): void {
    this.#isOpen = false;
  }

  open(): void {
    this.#isOpen = true;
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}
