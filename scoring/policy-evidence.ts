import { HeadraceError } from '../contracts/failures.ts';
import type { AnyPipeline } from '../contracts/pipeline.ts';
import type { LoadedBatch, PolicyFunction } from './loaded-batch.ts';

/** What a worker has seen of one function of a pipeline. */
interface Seen {
  accepted: number;
  /** Events it failed on one after another, each alone in its batch. */
  failedInARow: number;
}

/** A function that fails on more batches of one event in a row is wrong. */
const failedInARowMax = 8;

const seen = new WeakMap<AnyPipeline, Map<PolicyFunction, Seen>>();

function seenOf(pipeline: AnyPipeline, name: PolicyFunction): Seen {
  const functions = seen.get(pipeline) ?? new Map<PolicyFunction, Seen>();
  seen.set(pipeline, functions);
  const known = functions.get(name) ?? { accepted: 0, failedInARow: 0 };
  functions.set(name, known);
  return known;
}

/** What a function of the pipeline made of the events of one batch. */
export interface Outcome {
  accepted: number;
  failed: number;
  /** Of one that failed. */
  reason: string;
}

/**
 * Throws `PIPELINE_WRONG` when it must be the function that is wrong, and not the events: it fails on all of several events of a batch, or on many
 * batches of one event in a row. Then nothing is recorded or dead-lettered; the batch waits, and is decided by a mended pipeline. When the
 * function has taken events of other batches since the batch first failed, the events are to blame after all.
 */
export function assertMayBlame(
  { pipeline, functionsAccepted }: LoadedBatch,
  name: PolicyFunction,
  { accepted, failed, reason }: Outcome,
): void {
  const evidence = seenOf(pipeline, name);
  if (accepted > 0) {
    evidence.accepted += accepted;
    evidence.failedInARow = 0;
  } else if (failed > 0) {
    const before = functionsAccepted.get(name) ?? evidence.accepted;
    functionsAccepted.set(name, before);
    if (evidence.accepted === before && (failed > 1 || evidence.failedInARow >= failedInARowMax)) {
      const what = failed > 1 ? `all ${failed} events of a batch` : `${failedInARowMax} events in a row`;
      throw new HeadraceError(
        'PIPELINE_WRONG',
        `"${name}" of pipeline "${pipeline.name}" fails on ${what} and has accepted none since: ${reason}`,
      );
    }
    evidence.failedInARow++;
  }
}
