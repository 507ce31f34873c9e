import { partitionId, scopeId, type PartitionRef, type PipelineScope } from '../contracts/event-key.ts';

/** Under which keys the embedded store keeps what it knows. */

export const sequenceKey = 'sequence';
export const statePrefix = 'state|';
/** LMDB refuses longer keys. */
const keyBytesMax = 1_900;

export function markerKey(partition: string): string {
  return `marker|${partition}`;
}

/** Under which a chain keeps whose results it has, a `KeptResults`. */
export function keptKey(chain: string): string {
  return `kept|${chain}`;
}

export function resultKey(chain: string, startId: string): string {
  return `result|${chain}|${startId}`;
}

/** In the order of the offsets, so that old ones lie together. */
export function readAgainKey(partition: PartitionRef, offset: number): string {
  return `read-again|${partitionId(partition)}|${String(offset).padStart(16, '0')}`;
}

export function readAgainBeforeKey(partition: PartitionRef): string {
  return `read-again-before|${partitionId(partition)}`;
}

export function refusalsKey(scope: PipelineScope): string {
  return `refusals|${scopeId(scope)}`;
}

/** What the ids of a pipeline's partitions, and the keys of its states, begin with; the epoch follows. */
export function scopeOf({ deployment, pipeline }: PipelineScope): string {
  return `${deployment}:${pipeline}:`;
}

export function stateKey(key: string): string {
  // A character takes at most three bytes, so most need no counting.
  if (key.length * 3 > keyBytesMax && Buffer.byteLength(key) > keyBytesMax)
    throw new RangeError(`a state key of ${Buffer.byteLength(key)} bytes; entity keys may have at most 256 characters`);
  return statePrefix + key;
}
