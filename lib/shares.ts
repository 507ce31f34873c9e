/**
 * A semaphore that several parties share. Half of them belong to the parties, each its own part; whoever needs more takes of the other half
 * while there are any. So a party that holds its places for long leaves every other one some, and one that is alone gets most.
 */
export class Shares {
  /** At least one, so there are a few more than `total` where there are very many parties. */
  readonly ownMax: number;
  readonly #commonMax: number;
  #common = 0;
  readonly #taken = new Map<string, number>();

  constructor(total: number, parties: number) {
    this.ownMax = Math.max(1, Math.floor(total / 2 / Math.max(1, parties)));
    this.#commonMax = Math.max(0, total - this.ownMax * parties);
  }

  takenBy(party: string): number {
    return this.#taken.get(party) ?? 0;
  }

  /** Takes a place if there is one for this party. It has to be given back. */
  tryAcquire(party: string): boolean {
    const taken = this.takenBy(party);
    if (taken >= this.ownMax) {
      if (this.#common >= this.#commonMax) return false;
      this.#common++;
    }
    this.#taken.set(party, taken + 1);
    return true;
  }

  release(party: string): void {
    const taken = this.takenBy(party);
    if (taken > this.ownMax) this.#common--;
    if (taken > 1) this.#taken.set(party, taken - 1);
    else this.#taken.delete(party);
  }
}
