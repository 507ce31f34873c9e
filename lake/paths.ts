/**
 * Where things lie in a lake:
 *
 *     segments/<pipeline>/<epoch>/<topic>/<partition>/<position>-<end>.seg     one batch, as it was delivered, but for the
 *                                                                              duplicates at its beginning
 *     pipeline=<pipeline>/date=YYYY-MM-DD/hour=HH/<ranges>.parquet             what people read
 *     manifests/<pipeline>/<number>.json                                       which ranges are in Parquet
 *     deployment                                                               whose lake it is
 *     tmp/                                                                     files under way; left-overs are swept
 */

/** A chain inside the lake of one deployment and pipeline. */
export interface LakeChain {
  epoch: number;
  topic: string;
  partition: number;
}

export const segmentsFolder = 'segments';
export const manifestsFolder = 'manifests';
export const temporaryFolder = 'tmp';

/** Enough for every offset that a number holds exactly; makes names sort like numbers. */
const offsetDigits = 16;

export function segmentFolder(pipeline: string, { epoch, topic, partition }: LakeChain): string {
  return `${segmentsFolder}/${pipeline}/${epoch}/${topic}/${partition}`;
}

/** Path of the segment of these offsets, relative to the lake. */
export function segmentPath(
  pipeline: string,
  chain: LakeChain,
  { position, end }: { position: number; end: number },
): string {
  return `${segmentFolder(pipeline, chain)}/${digits(position)}-${digits(end)}.seg`;
}

/** Reads the range from a segment's file name; undefined when it is no segment. */
export function rangeOfSegment(name: string): { position: number; end: number } | undefined {
  const match = /^(\d{16})-(\d{16})\.seg$/.exec(name);
  return match ? { position: Number(match[1]), end: Number(match[2]) } : undefined;
}

/** Folder of an hour of event time, as Hive and everything after it reads it. */
export function hourFolder(pipeline: string, eventTimeMs: number): string {
  const time = new Date(eventTimeMs).toISOString();
  return `pipeline=${pipeline}/date=${time.slice(0, 10)}/hour=${time.slice(11, 13)}`;
}

function digits(offset: number): string {
  return String(offset).padStart(offsetDigits, '0');
}
