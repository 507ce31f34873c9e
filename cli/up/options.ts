import { InvalidArgumentError } from 'commander';

/** What `headrace up` was asked for. */
export interface UpOptions {
  /** A file of events to feed instead of the simulator. */
  events?: string;
  /** Events per second. @default 50 for the simulator, as fast as possible for a file */
  rate?: number;
  /** Pipelines to run; absent = all. */
  pipeline?: string[];
  /** Folder of the user's own pipelines. */
  pipelines?: string;
  /** Model repository of the embedded model server. */
  models?: string;
  /** False with `--no-generator`. */
  generator: boolean;
  reset?: true;
  yes?: true;
  /** Bytes that the data folder may take. */
  diskMax: number;
  /** Hours that the embedded Temporal and Kafka keep what is done. */
  retention?: number;
  dataDir?: string;
  /** Take free ports instead of the usual ones. */
  freePorts?: true;
  verbose?: true;
}

const units: Record<string, number> = {
  '': 1,
  B: 1,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  KIB: 2 ** 10,
  MIB: 2 ** 20,
  GIB: 2 ** 30,
  TIB: 2 ** 40,
};

/** Reads "5GB", "500 MB", "2GiB". */
export function parseBytes(text: string): number {
  const match = /^\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*$/.exec(text);
  const unit = units[(match?.[2] ?? '?').toUpperCase()];
  if (match?.[1] === undefined || unit === undefined)
    throw new InvalidArgumentError('It must be a size such as 5GB or 500MB.');
  return Math.round(Number(match[1]) * unit);
}

/** Reads a number of hours. */
export function parseHours(text: string): number {
  const hours = Number(text);
  if (!/^\s*\d+\s*$/.test(text) || hours < 1 || hours > 10_000)
    throw new InvalidArgumentError('It must be a whole number of hours, 1 (the least that Temporal takes) to 10000.');
  return hours;
}

/** Reads a rate in events per second. */
export function parseRate(text: string): number {
  const rate = Number(text);
  if (text.trim() === '' || !Number.isFinite(rate) || rate <= 0 || rate > 1_000_000) {
    throw new InvalidArgumentError(
      'It must be a number of events per second above 0, for example 50. For none use --no-generator.',
    );
  }
  return rate;
}

/** Collects names given as `--pipeline a,b --pipeline c`. */
export function collectNames(text: string, previous: string[] | undefined): string[] {
  const names = text
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');
  if (names.length === 0) throw new InvalidArgumentError('It must be the name of a pipeline.');
  return [...(previous ?? []), ...names];
}

/** "1.2 GB" */
export function formatBytes(bytes: number): string {
  for (const [unit, size] of [
    ['GB', 1e9],
    ['MB', 1e6],
    ['KB', 1e3],
  ] as const)
    if (bytes >= size) return `${(bytes / size).toFixed(1)} ${unit}`;
  return `${bytes} B`;
}
