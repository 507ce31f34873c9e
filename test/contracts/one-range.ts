import type { BatchRange, BatchRef, TopicRef } from '../../contracts/event-key.ts';

/** A batch of one range. */
export function oneRange(
  topic: TopicRef,
  { partition = 0, position = 0, count = 1, ...parts }: Partial<BatchRange> = {},
): BatchRef {
  const range = { partition, position, end: position + count, count, ...parts };
  return { ...topic, layout: 0, chain: 0, sequence: 0, ranges: [range], startId: `start-${position}` };
}
