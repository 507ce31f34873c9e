import type { LogBounds, Source } from '../kafka/source.ts';
import { truncatedReason } from './offset-gap.ts';

const askEndMax = 5;

/** The log, which should reach to an offset that was read: a new leader may name an end that is too low for a while, so the first tries throw then. */
export async function boundsAround(
  source: Source,
  partition: number,
  offset: number,
  tries: number,
): Promise<LogBounds> {
  const log = await boundsOf(source, partition);
  if (log.end < offset && tries < askEndMax) throw new Error(truncatedReason(log.end, offset));
  return log;
}

/** The log of one partition. Throws when the brokers do not name it, e.g. while a new one is being made. */
export async function boundsOf(source: Source, partition: number): Promise<LogBounds> {
  const bounds = (await source.bounds()).get(partition);
  if (!bounds) throw new Error(`the brokers do not know partition ${partition} yet`);
  if (bounds instanceof Error) throw bounds;
  return bounds;
}
