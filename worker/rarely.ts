/** What is told at most once in a while under one name, with how often it happened meanwhile. Names must be few: codes, pipelines, partitions. */
export class Rarely {
  readonly #told = new Map<string, { atMs: number; since: number }>();

  constructor(
    private readonly everyMs: number,
    private readonly nowMs: () => number = () => performance.now(),
  ) {}

  /** Calls `tell` when it is time, or when this is another case under the same name, with the count since it was told last; the present ones are among them. */
  happened(name: string, count: number, isNew: boolean, tell: (count: number) => void): void {
    const nowMs = this.nowMs();
    const last = this.#told.get(name) ?? { atMs: -Infinity, since: 0 };
    last.since += count;
    this.#told.set(name, last);
    if (!isNew && nowMs - last.atMs < this.everyMs) return;
    tell(last.since);
    this.#told.set(name, { atMs: nowMs, since: 0 });
  }
}
