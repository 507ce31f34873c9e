import { createHash } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { StepHook } from './durable-file.ts';
import { partitionKey, readManifest, updateManifest, type Manifest } from './manifest.ts';
import { segmentPath } from './paths.ts';
import { mergeRanges, type Range } from './ranges.ts';
import type { RollUpPlan, RollUpResult } from './types.ts';
import { writeInThread } from './write-in-thread.ts';
import { writeParquet } from './write-parquet.ts';

export interface RollUpOptions {
  root: string;
  signal?: AbortSignal;
  /** From how many rows on a thread of its own does the work. @default 5000 */
  threadRowsMin?: number;
  onStep?: StepHook;
}

const defaultThreadRowsMin = 5_000;

/**
 * Carries a plan out: Parquet files, then the manifest, then the segments go. Called again after a crash at any point it does what
 * is left; readers see each row at most once all the while, and exactly once in the end.
 */
export async function rollUp(options: RollUpOptions, plan: RollUpPlan): Promise<RollUpResult> {
  const { root, onStep } = options;
  const id = planId(plan);
  const before = await readManifest(root, plan.pipeline);
  let result: RollUpResult;
  if (before.last?.id === id) {
    ({ result } = before.last);
  } else if (before.pending && planId(before.pending) === id) {
    result = await write(options, plan);
    await updateManifest(root, plan.pipeline, async (manifest) => finished(manifest, plan, result), onStep);
  } else {
    throw new Error(
      `the manifest of pipeline "${plan.pipeline}" in ${root} no longer has this roll-up; the next one plans afresh`,
    );
  }
  for (const { segments, ...chain } of plan.chains) {
    for (const segment of segments) {
      const path = segmentPath(plan.pipeline, chain, segment);
      onStep?.('remove', path);
      await rm(join(root, path), { force: true });
    }
  }
  return result;
}

/** The manifest with the plan's ranges covered; undefined when it says so already. */
function finished(manifest: Manifest, plan: RollUpPlan, result: RollUpResult): Manifest | undefined {
  const id = planId(plan);
  if (!manifest.pending || planId(manifest.pending) !== id) return undefined;
  const covered = { ...manifest.covered };
  for (const { epoch, topic, segments } of plan.chains) {
    const taken = new Map<string, Range[]>();
    for (const [partition, from, to] of segments.flatMap(({ take }) => take)) {
      const key = partitionKey({ epoch, topic, partition });
      const ranges = taken.get(key);
      if (ranges) ranges.push([from, to]);
      else taken.set(key, [[from, to]]);
    }
    for (const [key, ranges] of taken) covered[key] = mergeRanges([...(covered[key] ?? []), ...ranges]);
  }
  return { format: 1, covered, last: { id, result } };
}

function write(
  { root, signal, onStep, threadRowsMin = defaultThreadRowsMin }: RollUpOptions,
  plan: RollUpPlan,
): Promise<RollUpResult> {
  const rowsMax = plan.chains
    .flatMap(({ segments }) => segments.flatMap(({ take }) => take))
    .reduce((sum, [, from, to]) => sum + to - from, 0);
  if (rowsMax < threadRowsMin) return writeParquet(root, plan, onStep);
  onStep?.('thread', plan.pipeline);
  return writeInThread(root, plan, signal);
}

/** The same for equal plans, also after a journey through JSON. */
function planId({ chains }: RollUpPlan): string {
  const segments = chains.map(({ epoch, topic, layout, chain, segments }) => [
    epoch,
    topic,
    layout,
    chain,
    segments.map(({ sequence, startId, take }) => [sequence, startId, take]),
  ]);
  return createHash('sha256').update(JSON.stringify(segments)).digest('hex');
}
