/**
 * What a pipeline has refused since it last accepted an event: all its partitions together, in the order in which their batches were
 * applied. It changes in the transaction of each batch, so no crash and no repeat makes it wrong.
 */
export interface Refusals {
  /** How many records of each failure code. */
  counts: Readonly<Record<string, number>>;
  /** Per partition, the offset of the first of them. */
  first: Readonly<Record<number, number>>;
  /** Partitions whose refusals somebody has found right: they are not counted until the partition accepts an event. */
  tolerated: readonly number[];
}

export const noRefusals: Refusals = { counts: {}, first: {}, tolerated: [] };

/** What one range of a batch adds: which records it refused, and which it accepted. Indices ascend. */
export interface BatchRefusals {
  partition: number;
  offsets: readonly number[];
  refused: readonly { index: number; code: string; reason: string }[];
  accepted: readonly number[];
  /** What of the refusals until then is of earlier batches. Absent = all. */
  earlier?: Refusals;
  /** So many refusals of one code without an acceptance are too many; 0 = any number is right, and none is counted. */
  max: number;
}

/** A batch would make the refusals too many: it must not be applied as it is. */
export class RefusedInARow extends Error {
  override readonly name = 'RefusedInARow';

  constructor(
    /** The batch's last record that counted. */
    readonly last: { index: number; code: string; reason: string },
    readonly count: number,
    /** How many of them belong to earlier batches, which have their dead letters. */
    readonly before: number,
    /** As in `Refusals`, from earlier batches. */
    readonly first: Readonly<Record<number, number>>,
  ) {
    super(`${count} records in a row are refused as ${last.code}`);
  }
}

/**
 * The refusals after a batch. Each code is counted apart, and only an acceptance ends the count: in a topic of another format single
 * records may well fail in another way. Throws `RefusedInARow`.
 */
export function refusalsAfter(before: Refusals, batch: BatchRefusals): Refusals {
  const { partition, offsets, refused, accepted, max } = batch;
  const isTolerated = before.tolerated.includes(partition);
  const tolerated =
    isTolerated && accepted.length > 0 ? before.tolerated.filter((each) => each !== partition) : before.tolerated;
  const lastAccepted = accepted.at(-1) ?? -1;
  let { counts, first } = lastAccepted >= 0 ? noRefusals : before;
  if (max === 0 || (isTolerated && accepted.length === 0)) return { counts, first, tolerated };
  if (!isTolerated) assertFew(before, batch);
  const trailing = refused.filter(({ index }) => index > lastAccepted);
  if (trailing.length > 0) {
    counts = { ...counts };
    for (const { code } of trailing)
      (counts as Record<string, number>)[code] = Math.min(max - 1, (counts[code] ?? 0) + 1);
    first = { [partition]: offsets[trailing[0]!.index]!, ...first };
  }
  return { counts, first, tolerated };
}

/** Looks at each stretch of refusals between two acceptances, not at the last one alone. */
function assertFew(before: Refusals, { refused, accepted, earlier: ofEarlier = before, max }: BatchRefusals): void {
  let counts = new Map(Object.entries(before.counts));
  let at = 0;
  for (const last of refused) {
    if (at < accepted.length && accepted[at]! < last.index) {
      while (at < accepted.length && accepted[at]! < last.index) at++;
      counts = new Map();
    }
    const count = (counts.get(last.code) ?? 0) + 1;
    counts.set(last.code, count);
    const earlier = at === 0 ? ofEarlier : noRefusals;
    if (count >= max) throw new RefusedInARow(last, count, earlier.counts[last.code] ?? 0, earlier.first);
  }
}

/** After somebody has said that what these partitions refuse is right. */
export function tolerate(before: Refusals, partitions: readonly number[]): Refusals {
  return { ...noRefusals, tolerated: [...new Set([...before.tolerated, ...partitions])].toSorted((a, b) => a - b) };
}

/** True when nothing is to be remembered. */
export function isNone({ counts, tolerated }: Refusals): boolean {
  return tolerated.length === 0 && Object.keys(counts).length === 0;
}
