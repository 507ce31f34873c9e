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

/** What the next batch has of one lane so far. */
interface Taken extends FilledLane {
  cut: Cut;
}

/**
 * The next batch of a chain. First one record of each lane, in the order given: a lane whose first record does not fit any more has to wait, so
 * whoever was served least recently must come first. What is left of records and bytes is shared evenly, and what one lane does not use goes
 * evenly to those that have more. Takes nothing away from the lanes. Undefined when there is none.
 */
export function cutChain(lanes: readonly FilledLane[], limits: Limits): ChainCut | undefined {
  const left = { ...limits };
  const taken: Taken[] = [];
  for (const each of lanes) {
    const cut = each.lane.cut({ recordsMax: 1, bytesMax: left.bytesMax });
    // The first one goes whatever it needs: a record that is larger than a batch travels alone.
    const fits = cut && left.recordsMax > 0 && cut.bytes <= left.bytesMax;
    if (!cut || (!fits && taken.length > 0)) continue;
    taken.push({ ...each, cut });
    left.recordsMax -= 1;
    left.bytesMax -= cut.bytes;
  }
  while (shareLeft(taken, left));
  const ranges = taken.map(({ partition, cut }) => ({ partition, ...cut }));
  return ranges.length === 0 ? undefined : { ranges: ranges.toSorted((a, b) => a.partition - b.partition) };
}

/**
 * Lets the lanes whose next record fits have equal shares of what they have and what is left. Returns whether there were any: then at least the
 * last one took some.
 */
function shareLeft(taken: readonly Taken[], left: Limits): boolean {
  const wanting = taken.filter((each) => takesMore(each, left));
  const pool = { ...left };
  for (const { cut } of wanting) {
    pool.recordsMax += cut.records.length;
    pool.bytesMax += cut.bytes;
  }
  // Who needs less comes first, so that all others share what it leaves over.
  const needs = ({ lane }: Taken) => Math.max(lane.length / pool.recordsMax, lane.bytes / pool.bytesMax);
  const inTurn = wanting.map((each) => ({ each, needs: needs(each) })).toSorted((a, b) => a.needs - b.needs);
  inTurn.forEach(({ each }, i) => {
    const { records, bytes } = each.cut;
    const among = inTurn.length - i;
    const more = each.lane.cut({
      recordsMax: upTo(Math.floor(pool.recordsMax / among), records.length, left.recordsMax),
      bytesMax: upTo(pool.bytesMax / among, bytes, left.bytesMax),
    })!;
    left.recordsMax -= more.records.length - records.length;
    left.bytesMax -= more.bytes - bytes;
    pool.recordsMax -= more.records.length;
    pool.bytesMax -= more.bytes;
    each.cut = more;
  });
  return wanting.length > 0;
}

function takesMore({ lane, cut: { records, bytes } }: Taken, left: Limits): boolean {
  if (left.recordsMax <= 0 || left.bytesMax <= 0 || lane.length === records.length) return false;
  return lane.cut({ recordsMax: records.length + 1, bytesMax: bytes + left.bytesMax })!.records.length > records.length;
}

/** A share, where a lane has some of it already, and takes no more than is left. */
function upTo(share: number, has: number, left: number): number {
  return Math.min(Math.max(share, has), has + left);
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
