import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { StepHook } from './durable-file.ts';
import { chainKey, updateManifest, type Manifest } from './manifest.ts';
import {
  rangeOfSegment,
  segmentFolder,
  segmentPath,
  segmentsFolder,
  temporaryFolder,
  type LakeChain,
} from './paths.ts';
import { holesBetween, mergeRanges, uncovered, type Range } from './ranges.ts';
import { BrokenSegmentError, readSegment, type SegmentHeader } from './segment.ts';
import { holesShownMax, type LakeHole, type PlannedSegment, type RollUpPlan, type RollUpRound } from './types.ts';

/** How much one roll-up takes at most; but it always takes a segment of each chain that has one. */
interface RollUpLimits {
  segments: number;
  /** Counted as offsets, which is never less than the rows. */
  rows: number;
  bytes: number;
}

export interface PlanOptions {
  root: string;
  limits?: RollUpLimits;
  /** How long a later segment waits for the one before it. @default 5 minutes */
  holeWaitMs?: number;
  nowMs?: () => number;
  /** Told of what should not happen: a hole that was waited for in vain, ranges that overlap. */
  onAlarm?: (message: string) => void;
  onStep?: StepHook;
}

const defaultLimits: RollUpLimits = { segments: 1_024, rows: 32_768, bytes: 16 * 1024 * 1024 };
const defaultHoleWaitMs = 5 * 60_000;
const temporaryKeptMs = 60 * 60_000;

/**
 * Looks through the lake and plans at most one roll-up per pipeline. A plan is noted in the manifest before it is answered, and
 * answered again until it was carried out. Also removes segments that are in Parquet already, and files left by a crash.
 */
export async function planRollUps(options: PlanOptions): Promise<RollUpRound> {
  await sweepTemporary(options);
  const round: RollUpRound = { plans: [], holes: [] };
  for (const pipeline of await names(join(options.root, segmentsFolder))) {
    const planner = new Planner(options, pipeline);
    const { pending } = await updateManifest(
      options.root,
      pipeline,
      (manifest) => planner.note(manifest),
      options.onStep,
    );
    if (pending) round.plans.push(pending);
    round.holes.push(...planner.holes);
  }
  round.holes.splice(holesShownMax);
  return round;
}

class Planner {
  readonly #root: string;
  readonly #limits: RollUpLimits;
  readonly #nowMs: () => number;
  readonly #holeWaitMs: number;
  holes: LakeHole[] = [];

  constructor(
    private readonly options: PlanOptions,
    private readonly pipeline: string,
  ) {
    this.#root = options.root;
    this.#limits = options.limits ?? defaultLimits;
    this.#nowMs = options.nowMs ?? Date.now;
    this.#holeWaitMs = options.holeWaitMs ?? defaultHoleWaitMs;
  }

  /** The manifest with a plan in it; undefined when it has one already, or nothing can be done. */
  async note(manifest: Manifest): Promise<Manifest | undefined> {
    this.holes = [];
    if (manifest.pending) return undefined;
    const chains = await this.#chains();
    const plan: RollUpPlan = { pipeline: this.pipeline, chains: [], more: false };
    const left = { ...this.#limits };
    for (const [i, chain] of chains.entries()) {
      // What earlier chains leave over is shared out among the rest.
      const share = 1 / (chains.length - i);
      const budget = { segments: left.segments * share, rows: left.rows * share, bytes: left.bytes * share };
      const covered = manifest.covered[chainKey(chain)] ?? [];
      const { segments, used, more } = await this.#planChain(chain, covered, budget);
      for (const [from, to] of holesBetween(covered))
        this.holes.push({ ...this.#hole(chain, to, from), state: 'passed' });
      if (segments.length > 0) plan.chains.push({ ...chain, segments });
      plan.more ||= more;
      for (const key of ['segments', 'rows', 'bytes'] as const) left[key] -= used[key];
    }
    return plan.chains.length > 0 ? { ...manifest, pending: plan } : undefined;
  }

  async #planChain(chain: LakeChain, covered: readonly Range[], budget: RollUpLimits) {
    const segments: PlannedSegment[] = [];
    const used: RollUpLimits = { segments: 0, rows: 0, bytes: 0 };
    const claimed: Range[] = [];
    let expected = covered.at(-1)?.[1];
    for (const range of await this.#segmentRanges(chain)) {
      const { position, end } = range;
      const path = join(this.#root, segmentPath(this.pipeline, chain, range));
      if (uncovered([position, end], covered).length === 0) {
        this.options.onStep?.('remove', path);
        await rm(path, { force: true });
        continue;
      }
      const take = uncovered([position, end], mergeRanges([...covered, ...claimed]));
      if (take.length === 0) continue;
      const { size, mtimeMs } = await stat(path);
      if (await this.#mustWait(chain, range, path, expected, mtimeMs)) break;
      const rows = end - position;
      if (
        segments.length > 0 &&
        (used.segments + 1 > budget.segments || used.rows + rows > budget.rows || used.bytes + size > budget.bytes)
      ) {
        return { segments, used, more: true };
      }
      const whole = take.length === 1 && take[0]![0] === position && take[0]![1] === end;
      if (!whole) this.options.onAlarm?.(`segment ${path} overlaps others of its chain; only what is new is taken`);
      segments.push(whole ? range : { ...range, take });
      claimed.push([position, end]);
      used.segments++;
      used.rows += rows;
      used.bytes += size;
      expected = Math.max(expected ?? 0, end);
    }
    return { segments, used, more: false };
  }

  /** True while a segment should wait for the one before it. When that took too long, says so and goes past the hole. */
  async #mustWait(
    chain: LakeChain,
    { position }: { position: number },
    path: string,
    expected: number | undefined,
    mtimeMs: number,
  ): Promise<boolean> {
    try {
      if (expected === undefined ? isHead((await readSegment(path)).header, position) : position <= expected)
        return false;
    } catch (error) {
      if (!(error instanceof BrokenSegmentError)) throw error;
      this.options.onAlarm?.(error.message);
      return true;
    }
    const hole = this.#hole(chain, position, expected);
    // Clocks are set: a time that lies far ahead must not be waited for.
    if (Math.abs(this.#nowMs() - mtimeMs) < this.#holeWaitMs) {
      this.holes.push({ ...hole, state: 'waited' });
      return true;
    }
    this.options.onAlarm?.(
      `the lake has no segment of pipeline "${this.pipeline}", ${chain.topic}-${chain.partition}, offsets ${expected ?? 'of the first batch'} to ${position}, ` +
        'though later ones came minutes ago; going on without it: look for its batch in the Temporal Web UI',
    );
    this.holes.push({ ...hole, state: 'passed' });
    return false;
  }

  #hole({ epoch, topic, partition }: LakeChain, to: number, from?: number) {
    return { pipeline: this.pipeline, epoch, topic, partition, from, to };
  }

  /** Ascending; of those with one position the longest first. */
  async #segmentRanges(chain: LakeChain): Promise<{ position: number; end: number }[]> {
    const files = await names(join(this.#root, segmentFolder(this.pipeline, chain)));
    const ranges = files.flatMap((name) => rangeOfSegment(name) ?? []);
    return ranges.sort((a, b) => a.position - b.position || b.end - a.end);
  }

  async #chains(): Promise<LakeChain[]> {
    const base = join(this.#root, segmentsFolder, this.pipeline);
    const chains: LakeChain[] = [];
    for (const epoch of numbersOf(await names(base))) {
      for (const topic of await names(join(base, String(epoch)))) {
        for (const partition of numbersOf(await names(join(base, String(epoch), topic))))
          chains.push({ epoch, topic, partition });
      }
    }
    return chains;
  }
}

/** True for a segment that begins its chain: one of a first batch, and with all of its range. */
function isHead({ batch }: SegmentHeader, position: number): boolean {
  return batch.head === true && batch.position === position;
}

/** Removes what crashed writers left, once nobody can be writing it any more. */
async function sweepTemporary({ root, nowMs = Date.now }: PlanOptions): Promise<void> {
  const folder = join(root, temporaryFolder);
  for (const name of await names(folder)) {
    const path = join(folder, name);
    const found = await stat(path).catch(() => undefined);
    if (found && nowMs() - found.mtimeMs > temporaryKeptMs) await rm(path, { force: true });
  }
}

/** The entries of a folder in order; none when it does not exist. */
async function names(folder: string): Promise<string[]> {
  try {
    return (await readdir(folder)).sort();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

function numbersOf(texts: readonly string[]): number[] {
  return texts
    .filter((text) => /^\d{1,9}$/.test(text))
    .map(Number)
    .sort((a, b) => a - b);
}
