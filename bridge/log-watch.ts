import { messageOf } from '../contracts/failures.ts';
import { ageSeconds, openTransaction, type PartitionState, type Waiting } from '../contracts/partition-state.ts';
import type { Standing } from './standing.ts';
import type { Clock } from './clock.ts';
import type { LogBounds, Source } from '../kafka/source.ts';

type Place = Pick<PartitionState, 'pipeline' | 'topic' | 'partition'>;

interface Known {
  bounds?: LogBounds;
  /** Why the bounds are not known now. */
  error?: string;
  /** Below this offset is no record that may be read, although the log goes on there. */
  emptyBelow: number;
  /** What was done when it was last looked at. */
  done?: number;
  /** Since when that has not moved, although there is more. */
  behindSinceMs?: number;
  /** The record that an open transaction begins with. */
  hidden?: { offset: number; timeMs: number | undefined };
}

/** A poll brings what there is at once, so a partition that stands for longer may have nothing to read. */
const standingMs = 10_000;

/** What is known of the logs behind the partitions of one assignment. */
export class LogWatch {
  readonly #known = new Map<number, Known>();

  constructor(private readonly clock: Clock) {}

  clear(): void {
    this.#known.clear();
  }

  /** Takes what the brokers said of a partition's log; asks for more where records seem to wait and none comes. Never rejects. */
  async note(
    source: Pick<Source, 'firstRecord' | 'timeAt'>,
    partition: number,
    bounds: LogBounds | Error,
    standing: Standing,
  ): Promise<void> {
    const known: Known = this.#known.get(partition) ?? { emptyBelow: 0 };
    this.#known.set(partition, known);
    if (bounds instanceof Error) {
      known.error = messageOf(bounds);
      return;
    }
    known.bounds = bounds;
    known.error = undefined;
    this.#noteProgress(known, standing, partition);
    const done = this.doneBelow(partition, standing);
    if (done === undefined || !standing.isEmpty) return;
    try {
      if (done < bounds.end && this.#isStanding(known)) await this.#look(source, partition, known, done);
      else if (done >= bounds.end && done < endOf(known) && known.hidden?.offset !== bounds.end)
        known.hidden = { offset: bounds.end, timeMs: await source.timeAt(partition, bounds.end) };
    } catch {
      // The bounds say whether the leader answers; the next look asks again.
    }
  }

  /** Behind the last record that is done there may be offsets that hold none. */
  doneBelow(partition: number, { doneBelow, isEmpty }: Standing): number | undefined {
    return doneBelow === undefined || !isEmpty
      ? doneBelow
      : Math.max(doneBelow, this.#known.get(partition)?.emptyBelow ?? 0);
  }

  state(place: Place, standing: Standing, wallMs: number): PartitionState {
    const known = this.#known.get(place.partition);
    const doneBelow = this.doneBelow(place.partition, standing);
    const logEnd = known?.bounds && known.error === undefined ? Math.max(endOf(known), standing.nextOffset) : undefined;
    const lag = doneBelow === undefined || logEnd === undefined ? undefined : Math.max(0, logEnd - doneBelow);
    const waiting = this.#waiting(standing, known, doneBelow, lag);
    const hidden = waiting.kind === 'transaction' ? known?.hidden?.timeMs : undefined;
    const oldestSeconds =
      lag === 0
        ? undefined
        : (ageSeconds(standing.first?.timestampMs ?? hidden, wallMs) ?? this.#behindSeconds(known, doneBelow));
    return {
      ...place,
      doneBelow,
      logEnd,
      stableEnd: known?.bounds?.end,
      lag,
      oldestSeconds,
      waiting,
      ...(standing.run === undefined ? {} : { run: standing.run }),
    };
  }

  #waiting(
    { waiting, isEmpty }: Standing,
    known: Known | undefined,
    doneBelow: number | undefined,
    lag: number | undefined,
  ): Waiting {
    if (waiting.kind !== 'records') return waiting;
    if (known?.error) return { kind: 'kafka', text: known.error };
    if (!known?.bounds || !isEmpty || lag === 0 || doneBelow === undefined) return waiting;
    if (known.bounds.end < endOf(known) && doneBelow >= known.bounds.end) {
      return { ...openTransaction(known.bounds.end), forSeconds: this.#behindSeconds(known, doneBelow) ?? 0 };
    }
    return waiting;
  }

  #noteProgress(known: Known, standing: Standing, partition: number): void {
    const done = this.doneBelow(partition, standing);
    if (done === undefined || done >= endOf(known)) known.behindSinceMs = undefined;
    else if (known.done !== done || known.behindSinceMs === undefined) known.behindSinceMs = this.clock.nowMs();
    known.done = done;
  }

  /** Since the last look something may have moved. */
  #behindSeconds(known: Known | undefined, doneBelow: number | undefined): number | undefined {
    if (known?.behindSinceMs === undefined) return undefined;
    return known.done === doneBelow ? (this.clock.nowMs() - known.behindSinceMs) / 1_000 : 0;
  }

  #isStanding({ behindSinceMs }: Known): boolean {
    return behindSinceMs !== undefined && this.clock.nowMs() - behindSinceMs > standingMs;
  }

  async #look(source: Pick<Source, 'firstRecord'>, partition: number, known: Known, done: number): Promise<void> {
    const found = await source.firstRecord(partition, done);
    if ('noneBelow' in found)
      known.emptyBelow = Math.max(known.emptyBelow, Math.min(found.noneBelow, known.bounds!.end));
  }
}

function endOf({ bounds }: Known): number {
  return Math.max(bounds?.highWatermark ?? 0, bounds?.end ?? 0);
}
