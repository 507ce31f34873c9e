const words = 624;
const shift = 397;

/** MT19937: the generator behind both of the book's random streams. */
export class MersenneTwister {
  readonly #state = new Uint32Array(words);
  #next = words;

  /** Seeds with one number. */
  static of(seed: number): MersenneTwister {
    const twister = new MersenneTwister();
    twister.#init(seed);
    return twister;
  }

  /** Seeds with an array of numbers (`init_by_array` of the reference). */
  static ofArray(key: readonly number[]): MersenneTwister {
    const twister = new MersenneTwister();
    twister.#initByArray(key);
    return twister;
  }

  /** A whole number from 0 to 2^32 - 1. */
  uint32(): number {
    if (this.#next === words) this.#twist();
    let y = this.#state[this.#next++]!;
    y ^= y >>> 11;
    y ^= (y << 7) & 0x9d2c5680;
    y ^= (y << 15) & 0xefc60000;
    return (y ^ (y >>> 18)) >>> 0;
  }

  #init(seed: number): void {
    const state = this.#state;
    state[0] = seed;
    for (let i = 1; i < words; i++) {
      const before = state[i - 1]! ^ (state[i - 1]! >>> 30);
      state[i] = Math.imul(1_812_433_253, before) + i;
    }
    this.#next = words;
  }

  #initByArray(key: readonly number[]): void {
    this.#init(19_650_218);
    const state = this.#state;
    let i = 1;
    let j = 0;
    const advance = () => {
      if (++i < words) return;
      state[0] = state[words - 1]!;
      i = 1;
    };
    for (let k = Math.max(words, key.length); k > 0; k--) {
      const before = state[i - 1]! ^ (state[i - 1]! >>> 30);
      state[i] = (state[i]! ^ Math.imul(before, 1_664_525)) + key[j]! + j;
      advance();
      j = (j + 1) % key.length;
    }
    for (let k = words - 1; k > 0; k--) {
      const before = state[i - 1]! ^ (state[i - 1]! >>> 30);
      state[i] = (state[i]! ^ Math.imul(before, 1_566_083_941)) - i;
      advance();
    }
    state[0] = 0x80000000;
  }

  #twist(): void {
    const state = this.#state;
    for (let i = 0; i < words; i++) {
      const y = (state[i]! & 0x80000000) | (state[(i + 1) % words]! & 0x7fffffff);
      state[i] = state[(i + shift) % words]! ^ (y >>> 1) ^ (y & 1 ? 0x9908b0df : 0);
    }
    this.#next = 0;
  }
}
