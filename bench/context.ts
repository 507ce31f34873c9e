import type { Figure } from './figures.ts';

/** What every bench gets. */
export interface BenchContext {
  /** Folder of the server programs. */
  cacheDir: string;
  /** A `temporal` program to use instead of the cached one. */
  temporalExecutable?: string;
  /** Environment of the servers, and what bridge and worker inherit of it. */
  env: NodeJS.ProcessEnv;
  /** Events of the throughput bench. */
  events: number;
  /** Events per second of the latency bench. */
  rate: number;
  /** Length of the latency bench. */
  seconds: number;
  /** Partitions of the topic, for each run of the latency and throughput benches; absent = what the bench says. */
  partitions?: number[];
  /** Sinks of the measured pipeline; absent = all that it declares. */
  sinks?: string[];
  /** Where bridge and worker leave CPU profiles. */
  profileDir?: string;
  /** Prints a progress line. */
  tell: (line: string) => void;
}

/** A bench: what it is called, what it says it measures, and how. */
export interface Bench {
  name: string;
  what: string;
  run(context: BenchContext): Promise<Figure[]>;
}
