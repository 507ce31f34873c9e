import { MersenneTwister } from './mersenne-twister.ts';

/** The random numbers of numpy's legacy generator. */
export class NumpyRandom {
  readonly #twister: MersenneTwister;
  #spareNormal: number | undefined;

  constructor(seed: number) {
    this.#twister = MersenneTwister.of(seed);
  }

  /** A number in [low, high). */
  uniform(low: number, high: number): number {
    return low + (high - low) * this.#double();
  }

  /** Normally distributed, by Marsaglia's polar method, which makes two at a time. */
  normal(mean: number, deviation: number): number {
    return mean + deviation * this.#standardNormal();
  }

  /** Poisson distributed, for means below 10. */
  poisson(mean: number): number {
    const limit = Math.exp(-mean);
    let product = 1;
    for (let count = 0; ; count++) {
      product *= this.#double();
      if (product <= limit) return count;
    }
  }

  /** The numbers 0 to n - 1 in random order. */
  permutation(n: number): Uint32Array {
    const order = Uint32Array.from({ length: n }, (_, i) => i);
    for (let i = n - 1; i > 0; i--) {
      const j = this.#upTo(i);
      const swapped = order[i]!;
      order[i] = order[j]!;
      order[j] = swapped;
    }
    return order;
  }

  #double(): number {
    const high = this.#twister.uint32() >>> 5;
    const low = this.#twister.uint32() >>> 6;
    return (high * 67_108_864 + low) / 9_007_199_254_740_992;
  }

  #standardNormal(): number {
    if (this.#spareNormal !== undefined) {
      const spare = this.#spareNormal;
      this.#spareNormal = undefined;
      return spare;
    }
    for (;;) {
      const x1 = 2 * this.#double() - 1;
      const x2 = 2 * this.#double() - 1;
      const radius = x1 * x1 + x2 * x2;
      if (radius >= 1 || radius === 0) continue;
      const factor = Math.sqrt((-2 * Math.log(radius)) / radius);
      this.#spareNormal = factor * x1;
      return factor * x2;
    }
  }

  /** A whole number from 0 to `max`, by masking and trying again. */
  #upTo(max: number): number {
    const mask = 2 ** (32 - Math.clz32(max)) - 1;
    for (;;) {
      const value = (this.#twister.uint32() & mask) >>> 0;
      if (value <= max) return value;
    }
  }
}

/** The random numbers of Python's own generator. */
export class PythonRandom {
  readonly #twister: MersenneTwister;

  constructor(seed: number) {
    this.#twister = MersenneTwister.ofArray([seed]);
  }

  /** One of the items. */
  choice(items: ArrayLike<number>): number {
    return items[this.#below(items.length)]!;
  }

  /** `size` of the items, none twice, in random order. */
  sample<T>(items: readonly T[], size: number): T[] {
    const n = items.length;
    const setSize = 21 + (size > 5 ? 4 ** Math.ceil(Math.log(size * 3) / Math.log(4)) : 0);
    if (n <= setSize) {
      const pool = [...items];
      return Array.from({ length: size }, (_, i) => {
        const j = this.#below(n - i);
        const picked = pool[j]!;
        pool[j] = pool[n - i - 1]!;
        return picked;
      });
    }
    const chosen = new Set<number>();
    return Array.from({ length: size }, () => {
      let j = this.#below(n);
      while (chosen.has(j)) j = this.#below(n);
      chosen.add(j);
      return items[j]!;
    });
  }

  #below(n: number): number {
    const bits = 32 - Math.clz32(n);
    for (;;) {
      const value = this.#twister.uint32() >>> (32 - bits);
      if (value < n) return value;
    }
  }
}
