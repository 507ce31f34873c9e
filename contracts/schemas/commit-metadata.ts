import { z } from 'zod';
import type { RecordMark } from '../names.ts';

/**
 * What we store beside a committed offset. A commit without it is not ours: kafkajs, for one, replaces commits by its default
 * when an offset is out of range.
 */
export interface CommitMetadata {
  epoch: number;
  /** Raised by one with each change of the number of chains. */
  layout: number;
  /** The number of chains in this layout. */
  chains: number;
  /** The last batch of the partition's chain that was scored. Absent = none of this layout. */
  sequence?: number;
  /** Nothing of the partition was in a batch yet: the offset is its first position. */
  first?: true;
  /**
   * A record that must still be there, so that a recreated or truncated topic is noticed: the last one below the offset, or the first one
   * of the range that begins at it. Absent when none was at hand.
   */
  tail?: RecordMark;
}

const schema = z.object({
  epoch: z.number().int(),
  layout: z.number().int().nonnegative(),
  chains: z.number().int().positive(),
  sequence: z.number().int().nonnegative().optional(),
  first: z.literal(true).optional(),
  tail: z.object({ offset: z.number().int(), hash: z.string() }).optional(),
});

const prefix = 'headrace:';

export function encodeCommitMetadata(metadata: CommitMetadata): string {
  return prefix + JSON.stringify(metadata);
}

/** Reads commit metadata back; undefined when it is not ours. */
export function decodeCommitMetadata(text: string | null): CommitMetadata | undefined {
  if (!text?.startsWith(prefix)) return undefined;
  try {
    return schema.parse(JSON.parse(text.slice(prefix.length)));
  } catch {
    return undefined;
  }
}
