/** Decoded states of the most recently used entities, up to a number of bytes. */
export class StateCache {
  readonly #states = new Map<string, Float64Array>();
  #bytes = 0;

  constructor(private readonly bytesMax: number) {}

  get(key: string): Float64Array | undefined {
    return this.#states.get(key);
  }

  /** Keeps a state as the most recently used one, and forgets the least recently written ones beyond the cap. */
  set(key: string, state: Float64Array): void {
    this.delete(key);
    this.#states.set(key, state);
    this.#bytes += bytesOf(key, state);
    for (const oldest of this.#states.keys()) {
      if (this.#bytes <= this.bytesMax) break;
      this.delete(oldest);
    }
  }

  clear(): void {
    this.#states.clear();
    this.#bytes = 0;
  }

  delete(key: string): void {
    const state = this.#states.get(key);
    if (!state) return;
    this.#states.delete(key);
    this.#bytes -= bytesOf(key, state);
  }
}

/** What an entry occupies, about: its buffer, its key, and the objects around them. */
function bytesOf(key: string, state: Float64Array): number {
  return state.buffer.byteLength + 2 * key.length + 200;
}
