import type { Sample } from './metrics.ts';

/** Totals of all processes at one time. Counters never fall, also when a process restarts from zero. */
export interface Snapshot {
  atMs: number;
  /** By name and labels. Counters and histogram parts are made continuous over restarts; gauges are as they are. */
  totals: Map<string, Sample>;
}

/** How far back rates and quantiles look. */
const windowMs = 10_000;

function keyOf({ name, labels }: Sample): string {
  return `${name}{${Object.keys(labels)
    .sort()
    .map((label) => `${label}=${labels[label]}`)
    .join(',')}}`;
}

function isCounter(name: string): boolean {
  return /_(total|bucket|count|sum)$/.test(name);
}

/** Joins the scrapes of a session into comparable snapshots and keeps those of the last ten seconds. */
export class MetricsHistory {
  readonly #lastRaw = new Map<string, number>();
  readonly #continuous = new Map<string, number>();
  #snapshots: Snapshot[] = [];

  /** Adds what the processes answered. A process that did not answer keeps its counters and loses its gauges. */
  add(atMs: number, byProcess: ReadonlyMap<string, Sample[]>): void {
    const totals = new Map<string, Sample>();
    const addTo = (key: string, sample: Sample, value: number): void => {
      const known = totals.get(key);
      totals.set(key, { ...sample, value: (known?.value ?? 0) + value });
    };
    const samplesByKey = this.#samplesByKey;
    for (const [process, samples] of byProcess) {
      for (const sample of samples) {
        const key = keyOf(sample);
        if (!isCounter(sample.name)) addTo(key, sample, sample.value);
        else {
          this.#advance(`${process} ${key}`, sample.value);
          samplesByKey.set(`${process} ${key}`, { key, sample });
        }
      }
    }
    for (const [processKey, { key, sample }] of samplesByKey) addTo(key, sample, this.#continuous.get(processKey) ?? 0);
    this.#snapshots = [...this.#snapshots.filter((snapshot) => atMs - snapshot.atMs <= windowMs), { atMs, totals }];
  }

  /** The newest snapshot and the oldest inside the window; undefined before there are two. */
  span(): { oldest: Snapshot; newest: Snapshot } | undefined {
    const [oldest] = this.#snapshots;
    const newest = this.#snapshots.at(-1);
    return oldest === undefined || newest === undefined || oldest === newest ? undefined : { oldest, newest };
  }

  readonly #samplesByKey = new Map<string, { key: string; sample: Sample }>();

  #advance(processKey: string, raw: number): void {
    const last = this.#lastRaw.get(processKey) ?? 0;
    // A counter that fell belongs to a new process, which counted from zero.
    const gained = raw >= last ? raw - last : raw;
    this.#lastRaw.set(processKey, raw);
    this.#continuous.set(processKey, (this.#continuous.get(processKey) ?? 0) + gained);
  }
}
