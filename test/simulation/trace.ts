import type { Scheduler } from './scheduler.ts';

/** What happened in a schedule: counts of all that a run must have seen sometimes, and a readable story when it is asked for. */
export class Trace {
  readonly counts = new Map<string, number>();
  readonly lines: string[] = [];

  constructor(
    private readonly scheduler: Scheduler,
    private readonly isTold: boolean,
  ) {}

  /** Counts that something bit. */
  count(what: string): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + 1);
  }

  /** Tells a line; the text is only made when somebody reads it. */
  tell(text: () => string): void {
    if (this.isTold)
      this.lines.push(`${((this.scheduler.nowMs - 1_000_000) / 1_000).toFixed(3).padStart(8)} s  ${text()}`);
  }
}
