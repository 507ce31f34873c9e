import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf } from '../contracts/failures.ts';
import { writeDurably, type StepHook } from './durable-file.ts';
import { manifestsFolder, type LakePartition } from './paths.ts';
import type { Range } from './ranges.ts';
import type { RollUpPlan, RollUpResult } from './types.ts';

/** What is in Parquet, of one pipeline. */
export interface Manifest {
  format: 1;
  /** Merged ranges by `partitionKey`. */
  covered: Record<string, Range[]>;
  /** The roll-up under way: it is finished before another is planned, so that no row gets into two files. */
  pending?: RollUpPlan;
  /** The last roll-up that was finished, so that a repeated call can answer the same. */
  last?: { id: string; result: RollUpResult };
}

const attemptsMax = 20;
const versionsKept = 2;

export function partitionKey({ epoch, topic, partition }: LakePartition): string {
  return `${epoch}/${topic}/${partition}`;
}

export function parsePartitionKey(key: string): LakePartition {
  const [epoch, topic, partition] = key.split('/');
  return { epoch: Number(epoch), topic: topic!, partition: Number(partition) };
}

export async function readManifest(root: string, pipeline: string): Promise<Manifest> {
  return (await readNewest(root, pipeline)).manifest;
}

/**
 * Changes the manifest of a pipeline. Each version is a file of its own whose number only one writer can take, so a forgotten
 * process never overwrites what came after it. `change` returns undefined to leave things as they are; it is asked again
 * after a collision, and must find its own change made.
 */
export async function updateManifest(
  root: string,
  pipeline: string,
  change: (manifest: Manifest) => Promise<Manifest | undefined>,
  onStep?: StepHook,
): Promise<Manifest> {
  for (let attempt = 0; attempt < attemptsMax; attempt++) {
    const { manifest, number } = await readNewest(root, pipeline);
    const changed = await change(manifest);
    if (!changed) return manifest;
    try {
      await writeDurably(root, pathOf(pipeline, number + 1), Buffer.from(JSON.stringify(changed)), {
        exclusive: true,
        onStep,
      });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EEXIST') continue;
      throw error;
    }
    const numbers = await versions(root, pipeline);
    // A writer that slept long can take an old number that was free again: then its version is not the newest.
    if (numbers.at(-1) !== number + 1) continue;
    for (const old of numbers.slice(0, -versionsKept)) await rm(join(root, pathOf(pipeline, old)), { force: true });
    return changed;
  }
  throw new Error(
    `the manifest of pipeline "${pipeline}" in ${root} changed ${attemptsMax} times meanwhile; roll it up by one worker at a time`,
  );
}

async function readNewest(root: string, pipeline: string): Promise<{ manifest: Manifest; number: number }> {
  for (let attempt = 0; ; attempt++) {
    const number = (await versions(root, pipeline)).at(-1);
    if (number === undefined) return { manifest: { format: 1, covered: {} }, number: 0 };
    try {
      const manifest = JSON.parse(await readFile(join(root, pathOf(pipeline, number)), 'utf8')) as Manifest;
      if (manifest.format !== 1) throw new Error(`has format ${String(manifest.format)}; this version knows 1`);
      return { manifest, number };
    } catch (error) {
      // Newer ones came and this one was removed between the two looks.
      if ((error as NodeJS.ErrnoException).code === 'ENOENT' && attempt < attemptsMax) continue;
      throw new Error(`manifest ${join(root, pathOf(pipeline, number))} cannot be used: ${messageOf(error)}`, {
        cause: error,
      });
    }
  }
}

async function versions(root: string, pipeline: string): Promise<number[]> {
  try {
    const names = await readdir(join(root, manifestsFolder, pipeline));
    return names
      .filter((name) => /^\d{12}\.json$/.test(name))
      .map((name) => Number(name.slice(0, 12)))
      .sort((a, b) => a - b);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

function pathOf(pipeline: string, number: number): string {
  return `${manifestsFolder}/${pipeline}/${String(number).padStart(12, '0')}.json`;
}
