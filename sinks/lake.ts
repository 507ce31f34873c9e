import { dirname, join, resolve } from 'node:path';
import { isProgrammingError, messageOf } from '../lib/error-text.ts';
import { HeadraceError } from '../contracts/failures.ts';
import type { AnyPipeline } from '../contracts/pipeline.ts';
import { nameOf } from '../contracts/rejection.ts';
import { syncFolder, writeDurably, type StepHook } from '../lake/durable-file.ts';
import { eventColumns, type EventColumns } from '../lake/event-columns.ts';
import { claimLake } from '../lake/owner.ts';
import { segmentPath } from '../lake/paths.ts';
import { BrokenSegmentError, type SegmentRange } from '../lake/segment-file.ts';
import { encodeSegment, readSegment, type SegmentSource } from '../lake/segment.ts';
import type { Delivery, RecordPlace } from '../contracts/delivery.ts';
import type { Sink } from './port.ts';

export interface LakeSinkOptions {
  /** Folder of the lake; made when it is missing. */
  root: string;
  /** Called before each step of a write; in tests it fails there. */
  onStep?: StepHook;
}

/**
 * The data lake: one durable segment per batch, rolled up into Parquet later. A segment is named for its batch's number and start,
 * so a second delivery finds the file and is done. It never refuses a row: two halves of a batch would have one name.
 */
export function createLakeSink({ root: folder, onStep }: LakeSinkOptions): Sink {
  const root = resolve(folder);
  const shapes = new WeakMap<AnyPipeline, EventColumns>();
  let owner: string | undefined;
  const claim = async (deployment: string) => {
    if (owner !== deployment) await claimLake(root, deployment);
    owner = deployment;
  };
  const shapeOf = (pipeline: AnyPipeline) => {
    let shape = shapes.get(pipeline);
    if (!shape) shapes.set(pipeline, (shape = eventColumns(pipeline.event)));
    return shape;
  };
  return {
    name: 'lake',
    async deliver({ batch, pipeline, workflowId, rows, duplicates }, signal) {
      const { sequence, startId } = batch;
      if (startId === undefined)
        throw new HeadraceError('SINK_BROKEN', 'a batch without a start was delivered to the lake');
      const ranges = ownRanges(batch, duplicates);
      // The segments of earlier batches are those that the roll-up must wait for.
      if (ranges.length === 0) return;
      const path = segmentPath(batch.pipeline, batch, { sequence, startId });
      try {
        signal.throwIfAborted();
        await claim(batch.deployment);
        if (await isDelivered(root, path)) return await syncFolder(dirname(join(root, path)));
        await writeDurably(
          root,
          path,
          encode({ batch, ranges, workflowId, events: shapeOf(pipeline), schema: pipeline.event, rows }),
          { signal, onStep },
        );
      } catch (error) {
        throw failureOf(root, error);
      }
    },
    // Nothing is held between deliveries.
    close: async () => undefined,
  };
}

/** What of a batch's ranges its segment answers for: the rows of duplicates are in the segments of earlier batches, which may come later. */
function ownRanges({ ranges }: Delivery['batch'], duplicates: readonly RecordPlace[] = []): SegmentRange[] {
  const decidedTo = new Map<number, number>();
  for (const { partition, offset } of duplicates)
    decidedTo.set(partition, Math.max(offset + 1, decidedTo.get(partition) ?? 0));
  return ranges.flatMap(({ partition, position, end, first }) => {
    const from = Math.max(position, decidedTo.get(partition) ?? 0);
    if (from >= end) return [];
    return [{ partition, position: from, end, ...(first && from === position ? { first } : {}) }];
  });
}

/** True when the batch's segment is there, whole; whoever wrote it may have died before its folder was synced. One that is broken is written again. */
async function isDelivered(root: string, path: string): Promise<boolean> {
  try {
    await readSegment(join(root, path));
    return true;
  } catch (error) {
    if (error instanceof BrokenSegmentError || (error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
}

/** What fails here is neither the disk's nor the folder's fault; and what an event's own code throws may quote it. */
function encode(source: SegmentSource): Uint8Array {
  try {
    return encodeSegment(source);
  } catch (error) {
    throw new HeadraceError(
      'SINK_BROKEN',
      `a batch cannot be encoded for the lake: ${isProgrammingError(error) ? messageOf(error) : nameOf(error)}`,
      { cause: error },
    );
  }
}

/** What to do about an error of the file system. Any other says nothing of the folder. */
const fixes: Record<string, string> = {
  ENOSPC: 'the disk is full; free space, or move the lake with LAKE_URL (or HEADRACE_DATA_DIR)',
  EDQUOT: 'the disk quota is used up; raise it, or move the lake with LAKE_URL (or HEADRACE_DATA_DIR)',
  EMFILE: 'this process has too many files open; raise its limit (ulimit -n)',
  ENFILE: 'the machine has too many files open',
  EIO: 'the disk reports an error; look at the machine',
  ENAMETOOLONG:
    'the path is too long for the file system; move the lake to a shorter one with LAKE_URL (or HEADRACE_DATA_DIR)',
};
const folderFix = 'check that LAKE_URL (or HEADRACE_DATA_DIR) names a folder that this process may write';
for (const code of ['EACCES', 'EPERM', 'EROFS', 'ENOTDIR', 'EEXIST', 'EISDIR', 'ENOENT', 'ELOOP'])
  fixes[code] = folderFix;

function failureOf(root: string, error: unknown): HeadraceError {
  if (error instanceof HeadraceError) return error;
  if (isProgrammingError(error))
    return new HeadraceError('SINK_BROKEN', `the lake cannot write a batch, and this is a bug: ${messageOf(error)}`, {
      cause: error,
    });
  const fix = fixes[(error as NodeJS.ErrnoException).code ?? ''];
  return new HeadraceError(
    'SINK_UNAVAILABLE',
    `the lake at ${root} cannot be written: ${fix === undefined ? messageOf(error) : `${fix} (${messageOf(error)})`}`,
    { cause: error },
  );
}
