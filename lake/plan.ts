import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { StepHook } from './durable-file.ts';
import { parsePartitionKey, partitionKey, updateManifest, type Manifest } from './manifest.ts';
import { segmentFolder, segmentsFolder, temporaryFolder, type LakeChain } from './paths.ts';
import { planChain, type PlanningContext, type RollUpLimits } from './plan-chain.ts';
import { holesBetween } from './ranges.ts';
import { TopicProgress } from './topic-progress.ts';
import { holesShownMax, type LakeHole, type RollUpPlan, type RollUpRound } from './types.ts';

export interface PlanOptions {
  root: string;
  /** But it always takes a segment of each chain that has one. */
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
  readonly #context: PlanningContext;
  readonly #limits: RollUpLimits;
  holes: LakeHole[] = [];

  constructor(
    { limits = defaultLimits, holeWaitMs = defaultHoleWaitMs, nowMs = Date.now, ...options }: PlanOptions,
    pipeline: string,
  ) {
    this.#limits = limits;
    this.#context = { ...options, pipeline, holeWaitMs, nowMs };
  }

  /** The manifest with a plan in it; undefined when it has one already, or nothing can be done. */
  async note(manifest: Manifest): Promise<Manifest | undefined> {
    const { root, pipeline } = this.#context;
    this.holes = passedHoles(pipeline, manifest);
    if (manifest.pending) return undefined;
    const chains = await chainsOf(root, pipeline);
    const plan: RollUpPlan = { pipeline, chains: [], more: false };
    const left = { ...this.#limits };
    const topics = new Map<string, TopicProgress>();
    /** By topic, the layout whose segments come first. */
    const stoppedAt = new Map<string, number>();
    for (const [i, chain] of chains.entries()) {
      const key = `${chain.epoch}/${chain.topic}`;
      // What a later layout waits for may be there, and not planned yet.
      if (chain.layout > (stoppedAt.get(key) ?? Infinity)) continue;
      const topic = topics.get(key) ?? progressOf(chain, manifest);
      topics.set(key, topic);
      // What earlier chains leave over is shared out among the rest.
      const share = 1 / (chains.length - i);
      const budget = { segments: left.segments * share, rows: left.rows * share, bytes: left.bytes * share };
      const files = await names(join(root, segmentFolder(pipeline, chain)));
      const { segments, used, holes, stopped } = await planChain(this.#context, chain, files, topic, budget);
      this.holes.push(...holes);
      if (segments.length > 0) plan.chains.push({ ...chain, segments });
      if (stopped) stoppedAt.set(key, chain.layout);
      plan.more ||= stopped === 'full';
      for (const name of ['segments', 'rows', 'bytes'] as const) left[name] -= used[name];
    }
    return plan.chains.length > 0 ? { ...manifest, pending: plan } : undefined;
  }
}

function progressOf({ epoch, topic }: LakeChain, { covered }: Manifest): TopicProgress {
  return new TopicProgress((partition) => covered[partitionKey({ epoch, topic, partition })] ?? []);
}

function passedHoles(pipeline: string, { covered }: Manifest): LakeHole[] {
  return Object.entries(covered).flatMap(([key, ranges]) =>
    holesBetween(ranges).map(
      ([from, to]): LakeHole => ({ pipeline, ...parsePartitionKey(key), from, to, state: 'passed' }),
    ),
  );
}

/** Those of older layouts first: they have what newer ones go on from. */
async function chainsOf(root: string, pipeline: string): Promise<LakeChain[]> {
  const base = join(root, segmentsFolder, pipeline);
  const chains: LakeChain[] = [];
  for (const epoch of (await names(base)).flatMap(wholeNumber).sort((a, b) => a - b)) {
    for (const topic of await names(join(base, String(epoch)))) {
      const ofTopic = (await names(join(base, String(epoch), topic))).flatMap((name) => {
        const [layout, chain] = name.split('.').flatMap(wholeNumber);
        return layout === undefined || chain === undefined ? [] : [{ epoch, topic, layout, chain }];
      });
      chains.push(...ofTopic.sort((a, b) => a.layout - b.layout || a.chain - b.chain));
    }
  }
  return chains;
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

function wholeNumber(text: string): number[] {
  return /^\d{1,9}$/.test(text) ? [Number(text)] : [];
}
