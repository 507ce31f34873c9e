import { rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { StepHook } from './durable-file.ts';
import { parseSegmentName, segmentPath, type LakeChain, type SegmentId } from './paths.ts';
import { BrokenSegmentError, readSegmentHead, type SegmentRange } from './segment-file.ts';
import { WaitingRanges, type TopicProgress } from './topic-progress.ts';
import type { LakeHole, PartRange, PlannedSegment } from './types.ts';

/** How much a roll-up takes at most. */
export interface RollUpLimits {
  segments: number;
  /** Counted as offsets, which is never less than the rows. */
  rows: number;
  bytes: number;
}

export interface PlanningContext {
  root: string;
  pipeline: string;
  holeWaitMs: number;
  nowMs: () => number;
  onAlarm?: (message: string) => void;
  onStep?: StepHook;
}

/** What is taken of a chain. */
export interface ChainPlan {
  segments: PlannedSegment[];
  used: RollUpLimits;
  holes: LakeHole[];
  /** Why other segments of it may be left that could be taken. */
  stopped?: 'full' | 'broken';
}

/** A segment that is not in Parquet yet. */
interface Found extends SegmentId {
  path: string;
  ranges: readonly SegmentRange[];
  bytes: number;
  writtenMs: number;
}

/**
 * Plans the segments of one chain. A segment is taken once in each of its partitions what lies before it is in Parquet or was taken.
 * They are looked at in the order of their numbers, which is nearly always that one: not where a chain was walked again.
 *
 * @param names the files of its folder, in order
 */
export async function planChain(
  context: PlanningContext,
  chain: LakeChain,
  names: readonly string[],
  topic: TopicProgress,
  budget: RollUpLimits,
): Promise<ChainPlan> {
  const planner = new ChainPlanner(context, chain, topic, budget);
  for (const name of names) {
    if (planner.stopped) break;
    const id = parseSegmentName(name);
    if (id) await planner.look(id);
  }
  return planner.finish();
}

class ChainPlanner {
  readonly #segments: PlannedSegment[] = [];
  readonly #used: RollUpLimits = { segments: 0, rows: 0, bytes: 0 };
  readonly #waiting: Found[] = [];
  readonly #holes: LakeHole[] = [];
  #stopped: ChainPlan['stopped'];

  constructor(
    private readonly context: PlanningContext,
    private readonly chain: LakeChain,
    private readonly topic: TopicProgress,
    private readonly budget: RollUpLimits,
  ) {}

  get stopped() {
    return this.#stopped;
  }

  /** Takes a segment, or lets it wait. Removes one whose ranges are all in Parquet. */
  async look(id: SegmentId): Promise<void> {
    const found = await this.#find(id);
    if (!found) return;
    if (this.topic.areCovered(found.ranges)) {
      this.context.onStep?.('remove', found.path);
      await rm(found.path, { force: true });
    } else if (this.topic.gapsBefore(found.ranges).length > 0) {
      this.#waiting.push(found);
    } else {
      this.#take(found);
    }
  }

  /** Takes of those that wait what can be taken by now, and what has waited for too long. */
  finish(): ChainPlan {
    while (!this.#stopped) {
      const next = this.#waiting.find(({ ranges }) => this.topic.gapsBefore(ranges).length === 0) ?? this.#overdue();
      if (!next) break;
      if (this.#take(next)) this.#waiting.splice(this.#waiting.indexOf(next), 1);
    }
    // What is missing may be among those that were not looked at.
    if (!this.#stopped)
      for (const { holes } of this.#missing()) this.#holes.push(...holes.map((hole) => this.#hole(hole, 'waited')));
    for (const { ranges } of this.#waiting) this.topic.waiting.add(ranges);
    return { segments: this.#segments, used: this.#used, holes: this.#holes, stopped: this.#stopped };
  }

  async #find(id: SegmentId): Promise<Found | undefined> {
    const path = join(this.context.root, segmentPath(this.context.pipeline, this.chain, id));
    try {
      const { ranges } = await readSegmentHead(path);
      const { size, mtimeMs } = await stat(path);
      return { ...id, path, ranges, bytes: size, writtenMs: mtimeMs };
    } catch (error) {
      if (!(error instanceof BrokenSegmentError)) throw error;
      this.context.onAlarm?.(error.message);
      // What follows would only seem to have a hole before it.
      this.#stopped = 'broken';
      return undefined;
    }
  }

  /** Returns false when there is no room for it. */
  #take({ path, ranges, bytes, sequence, startId }: Found): boolean {
    const used = this.#used;
    const rows = ranges.reduce((sum, { position, end }) => sum + end - position, 0);
    const after = { segments: used.segments + 1, rows: used.rows + rows, bytes: used.bytes + bytes };
    if (used.segments > 0 && limitNames.some((name) => after[name] > this.budget[name])) {
      this.#stopped = 'full';
      return false;
    }
    for (const gap of this.topic.gapsBefore(ranges)) this.#pass(gap);
    const take = this.topic.take(ranges);
    // All of it is in segments that are taken, too: it goes when those are in Parquet.
    if (take.length === 0) return true;
    if (offsetsIn(take) < rows)
      this.context.onAlarm?.(`segment ${path} overlaps others of its partitions; only what is new is taken`);
    this.#segments.push({ sequence, startId, take });
    Object.assign(used, after);
    return true;
  }

  /** The first that has waited in vain, for something that no other one can bring. */
  #overdue(): Found | undefined {
    // Clocks are set: a time that lies far ahead must not be waited for.
    const hasWaited = ({ writtenMs }: Found) => Math.abs(this.context.nowMs() - writtenMs) >= this.context.holeWaitMs;
    return this.#missing().find(({ found, holes, gaps }) => holes.length === gaps.length && hasWaited(found))?.found;
  }

  /** What those that wait lack. The gap before one is a hole unless an earlier one stands there, too. */
  #missing(): { found: Found; gaps: SegmentRange[]; holes: SegmentRange[] }[] {
    const earlier = new WaitingRanges(this.topic.waiting);
    return this.#waiting.map((found) => {
      const gaps = this.topic.gapsBefore(found.ranges);
      const holes = gaps.filter((range) => !earlier.standBefore(range));
      earlier.add(found.ranges);
      return { found, gaps, holes };
    });
  }

  #pass(range: SegmentRange): void {
    const { pipeline } = this.context;
    const { topic, partition, from, to } = this.#hole(range, 'passed');
    this.context.onAlarm?.(
      `the lake has no segment of pipeline "${pipeline}", ${topic}-${partition}, offsets ${from ?? 'of the first batch'} to ${to}, ` +
        'though later ones came minutes ago; going on without it: look for its batch in the Temporal Web UI',
    );
    this.#holes.push(this.#hole(range, 'passed'));
  }

  #hole({ partition, position }: SegmentRange, state: LakeHole['state']): LakeHole {
    const { epoch, topic } = this.chain;
    return {
      pipeline: this.context.pipeline,
      epoch,
      topic,
      partition,
      from: this.topic.endOf(partition),
      to: position,
      state,
    };
  }
}

const limitNames = ['segments', 'rows', 'bytes'] as const;

function offsetsIn(take: readonly PartRange[]): number {
  return take.reduce((sum, [, from, to]) => sum + to - from, 0);
}
