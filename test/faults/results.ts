import { closeSync, existsSync, openSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { RowResult } from './run-row.ts';
import { repositoryRoot } from './system/product.ts';

/** A run as it is kept: what happened, without the words of what went wrong beyond the first. */
export interface KeptRun {
  commit: string;
  row: string;
  seed: number;
  /** UTC, to the minute. */
  at: string;
  passed: boolean;
  events: number;
  faults: number;
  lost: number;
  duplicated: number;
  recoverSeconds: number[];
  /** The first thing that was wrong. */
  problem?: string;
}

/** What became of a planted bug. */
export interface KeptMutant {
  /** The product that it was planted in. */
  commit: string;
  mutant: string;
  row: string;
  seed: number;
  /** What its row found wrong; null when it caught nothing. */
  caught: string | null;
}

const mutantsFile = join(repositoryRoot, 'docs', 'reliability-mutants.json');
const resultsFile = join(repositoryRoot, 'docs', 'reliability.json');
const problemCharsMax = 300;

export function readRuns(file = resultsFile): KeptRun[] {
  return readList(file) as KeptRun[];
}

export function readMutants(file = mutantsFile): KeptMutant[] {
  return readList(file) as KeptMutant[];
}

function readList(file: string): unknown[] {
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as unknown[]) : [];
}

/** Keeps what became of a planted bug, in the place of what became of it before. */
export function keepMutant(kept: KeptMutant, file = mutantsFile): void {
  write(file, [...readMutants(file).filter(({ mutant }) => mutant !== kept.mutant), kept]);
}

/** Appends a run of a commit; one line each, so that two branches' runs merge. Runs of uncommitted sources are nobody's figures. */
export function keepRun(result: RowResult, nowMs: number, file = resultsFile): void {
  if (result.commit === undefined) return;
  const { commit, row, seed, passed, events, faults, lost, duplicated, recoverSeconds, problems } = result;
  const at = new Date(nowMs).toISOString().slice(0, 16);
  const kept: KeptRun = {
    commit,
    row,
    seed,
    at,
    passed,
    events,
    faults,
    lost,
    duplicated,
    recoverSeconds,
    ...(problems[0] ? { problem: problems[0].split('\n')[0]!.slice(0, problemCharsMax) } : {}),
  };
  const lock = openLock(`${file}.lock`);
  try {
    write(file, [...readRuns(file), kept]);
  } finally {
    closeSync(lock);
    rmSync(`${file}.lock`);
  }
}

function write(file: string, list: readonly unknown[]): void {
  const text = `[\n${list.map((each) => JSON.stringify(each)).join(',\n')}\n]\n`;
  writeFileSync(`${file}.draft`, text);
  renameSync(`${file}.draft`, file);
}

/** Two runners may end at the same moment. What is left of one that was killed there has to be removed by hand; the error names it. */
function openLock(path: string): number {
  for (let tries = 0; ; tries++) {
    try {
      return openSync(path, 'wx');
    } catch (error) {
      if (tries >= 100)
        throw new Error(`another runner has held ${path} for 10 s; remove it if there is none`, { cause: error });
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 100);
    }
  }
}
