/**
 * Where things lie in a lake:
 *
 *     segments/<pipeline>/<epoch>/<topic>/<layout>.<chain>/<sequence>-<start id>.seg   one batch, as it was delivered, but for the
 *                                                                                      duplicates in its ranges
 *     pipeline=<pipeline>/date=YYYY-MM-DD/hour=HH/<ranges>.parquet                     what people read
 *     manifests/<pipeline>/<number>.json                                               which ranges are in Parquet
 *     deployment                                                                       whose lake it is
 *     tmp/                                                                             files under way; left-overs are swept
 */

/** A topic inside the lake of one deployment and pipeline. */
export interface LakeTopic {
  epoch: number;
  topic: string;
}

/** A partition there. */
export interface LakePartition extends LakeTopic {
  partition: number;
}

/** A chain there. */
export interface LakeChain extends LakeTopic {
  layout: number;
  chain: number;
}

/** A segment among those of its chain: two runs can have one number, when the first of them is forgotten. */
export interface SegmentId {
  sequence: number;
  startId: string;
}

export const segmentsFolder = 'segments';
export const manifestsFolder = 'manifests';
export const temporaryFolder = 'tmp';

/** Enough for every whole number that is exact; makes names sort like numbers. */
const sequenceDigits = 16;

export function segmentFolder(pipeline: string, { epoch, topic, layout, chain }: LakeChain): string {
  return `${segmentsFolder}/${pipeline}/${epoch}/${topic}/${layout}.${chain}`;
}

/** Path of a segment, relative to the lake. */
export function segmentPath(pipeline: string, chain: LakeChain, { sequence, startId }: SegmentId): string {
  return `${segmentFolder(pipeline, chain)}/${String(sequence).padStart(sequenceDigits, '0')}-${startId}.seg`;
}

/** Reads a segment's file name back; undefined when it is no segment. */
export function parseSegmentName(name: string): SegmentId | undefined {
  const match = /^(\d{16})-([A-Za-z0-9_-]{1,100})\.seg$/.exec(name);
  return match ? { sequence: Number(match[1]), startId: match[2]! } : undefined;
}

/** Folder of an hour of event time, as Hive and everything after it reads it. */
export function hourFolder(pipeline: string, eventTimeMs: number): string {
  const time = new Date(eventTimeMs).toISOString();
  return `pipeline=${pipeline}/date=${time.slice(0, 10)}/hour=${time.slice(11, 13)}`;
}
