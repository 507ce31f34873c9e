import { largestParts, roomShare } from '@headrace/stack/supervisor';
import { formatBytes } from './options.ts';

const namedParts = 3;

export interface DiskLimit {
  folder: string;
  bytes: number;
  bytesMax: number;
  /** So long finished batches are kept, and events that are done. Undefined = not ours to say. */
  retentionHours?: number;
  /** So long decisions are kept; undefined = for ever. */
  decisionsHours?: number;
}

/** What is told when the data folder takes too much: what takes it, what frees some by itself and when, and what to do if that is not enough. */
export async function describeDiskLimit(limit: DiskLimit): Promise<string[]> {
  const { folder, bytes, bytesMax, retentionHours, decisionsHours } = limit;
  const parts = await Promise.all([largestParts(folder), largestParts(`${folder}/servers`)]);
  const largest = parts
    .flat()
    .filter(({ name }) => name !== 'servers')
    .sort((a, b) => b.bytes - a.bytes)
    .slice(0, namedParts)
    .map((part) => `${part.name} ${formatBytes(part.bytes)}`)
    .join(', ');
  const kept = [
    ...(retentionHours === undefined ? [] : [`finished batches and their events after ${retentionHours} h`]),
    decisionsHours === undefined ? 'decisions never' : `decisions after ${decisionsHours} h`,
    'reviews never',
  ].join(', ');
  const restHours = Math.max(retentionHours ?? 0, decisionsHours ?? 0);
  return [
    `DISK LIMIT: ${folder} takes ${formatBytes(bytes)}, more than --disk-max ${formatBytes(bytesMax)} (${largest}).`,
    `Nothing is produced until it takes less than ${formatBytes(bytesMax * roomShare)}. What is in Kafka is still processed, and what is old is deleted: ${kept}.`,
    `If it still takes more ${restHours > 0 ? `${restHours} h after the last event` : 'then'}, that does not change by itself: start with a higher --disk-max, or empty the folder with --reset. With a lower --rate it fills more slowly.`,
  ];
}
