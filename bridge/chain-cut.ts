import type { BatchCaps, Cut, Lane } from './lane.ts';

/** What a chain offers as its next batch: of each of these partitions a range. Partitions ascend. */
export interface ChainCut {
  ranges: readonly ({ partition: number } & Cut)[];
  /** The only record is too large even alone: only its stub can travel. */
  asStub?: true;
}

/** A lane that has records. */
export interface FilledLane {
  partition: number;
  lane: Lane;
}

type Limits = Pick<BatchCaps, 'recordsMax' | 'bytesMax'>;

/**
 * The next batch of a chain. Each lane gets an equal share of its records and bytes, at least one record, in the order given; what one leaves
 * over goes to the others. A lane whose first record does not fit any more has to wait: whoever was served least recently must come first.
 * Takes nothing away from the lanes. Undefined when there is none.
 */
export function cutChain(lanes: readonly FilledLane[], { recordsMax, bytesMax }: Limits): ChainCut | undefined {
  const left = { recordsMax, bytesMax };
  const taken = new Map<number, { lane: Lane; cut: Cut }>();
  lanes.forEach(({ partition, lane }, i) => {
    const cut = lane.cut(shareOf(left, lanes.length - i));
    // The first one goes whatever it needs: a record that is larger than a batch travels alone.
    const fits = cut && cut.records.length <= left.recordsMax && cut.bytes <= left.bytesMax;
    if (!cut || (!fits && taken.size > 0)) return;
    taken.set(partition, { lane, cut });
    left.recordsMax -= cut.records.length;
    left.bytesMax -= cut.bytes;
  });
  for (const each of taken.values()) takeLeftovers(each, left);
  const ranges = [...taken].map(([partition, { cut }]) => ({ partition, ...cut }));
  return ranges.length === 0 ? undefined : { ranges: ranges.toSorted((a, b) => a.partition - b.partition) };
}

function shareOf({ recordsMax, bytesMax }: Limits, among: number): Limits {
  return { recordsMax: Math.max(1, Math.floor(recordsMax / among)), bytesMax: bytesMax / among };
}

function takeLeftovers(each: { lane: Lane; cut: Cut }, left: Limits): void {
  if (left.recordsMax <= 0 || left.bytesMax <= 0) return;
  const { records, bytes } = each.cut;
  const more = each.lane.cut({ recordsMax: records.length + left.recordsMax, bytesMax: bytes + left.bytesMax })!;
  left.recordsMax -= more.records.length - records.length;
  left.bytesMax -= more.bytes - bytes;
  each.cut = more;
}

/**
 * What to try when a cut was refused for its size: half of its records, and no more bytes than before, which lanes of larger records would
 * bring in place of smaller ones; then a stub of the only one. Undefined when that was refused too.
 */
export function smallerCut(lanes: readonly FilledLane[], cut: ChainCut): ChainCut | undefined {
  const records = cut.ranges.flatMap((range) => range.records);
  const bytesMax = cut.ranges.reduce((sum, { bytes }) => sum + bytes, 0);
  if (records.length > 1) return cutChain(lanes, { recordsMax: Math.floor(records.length / 2), bytesMax });
  return cut.asStub || records[0]!.stub ? undefined : { ...cut, asStub: true };
}
