/** Decoded states, up to a number of bytes. Beyond it those that were kept first are forgotten: moving each to the end whenever it is used would cost more than reading some again. */
export class StateCache {
  readonly #states = new Map<string, { state: Float64Array; bytes: number }>();
  #bytes = 0;

  constructor(private readonly bytesMax: number) {}

  get(key: string): Float64Array | undefined {
    return this.#states.get(key)?.state;
  }

  set(key: string, state: Float64Array): void {
    const bytes = bytesOf(key, state);
    const known = this.#states.get(key);
    if (known) {
      this.#bytes += bytes - known.bytes;
      known.state = state;
      known.bytes = bytes;
    } else {
      this.#bytes += bytes;
      this.#states.set(key, { state, bytes });
    }
    if (this.#bytes > this.bytesMax) this.#forgetOldest();
  }

  #forgetOldest(): void {
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
    const known = this.#states.get(key);
    if (!known) return;
    this.#states.delete(key);
    this.#bytes -= known.bytes;
  }
}

/** What an entry occupies, about: its buffer, its key, and the objects around them. */
function bytesOf(key: string, state: Float64Array): number {
  return state.buffer.byteLength + 2 * key.length + 200;
}
