import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { report } from './report.ts';
import { keepRun, readRuns } from './results.ts';
import type { RowResult } from './run-row.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'headrace-results-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const result: RowResult = {
  row: 'kill-bridge',
  seed: 7,
  commit: 'c1',
  passed: true,
  events: 1_000,
  faults: 6,
  lost: 0,
  duplicated: 0,
  recoverSeconds: [1, 9],
  sometimes: [],
  problems: [],
  seconds: 60,
};

describe('figures', () => {
  test('add up over the runs of the commit that was tested last; a failed run is told', () => {
    const file = join(folder, 'reliability.json');
    const runs = [
      { ...result, commit: 'c0', events: 5 },
      { ...result, row: 'kill-worker', commit: 'c0', events: 7 },
      result,
      { ...result, seed: 8, passed: false, lost: 2, recoverSeconds: [3], problems: ['dashboard: k: lost\nmore'] },
    ];
    for (const run of runs) keepRun(run, Date.UTC(2026, 0, 1), file);
    const text = report(readRuns(file));
    expect(text).toContain('**2,000 events, 12 faults, lost 2, duplicated 0**; 1 of 2 runs passed');
    expect(text).toMatch(/\| kill-bridge \| .* \| 2 \| 1 \| 2,000 \| 12 \| 2 \| 0 \| 3 s \/ 9 s \| 7, 8 \|/);
    expect(text).toContain('- `kill-bridge`, seed 8: dashboard: k: lost\n');
    expect(text).toContain('| `c0` | 2 | 2 | 12 | 12 | 0 | 0 |');
    expect(text).toMatch(
      /Rows that have not run on this commit, and the last one that they ran on:\n\n[^]*\| kill-worker \| `c0` \| 1 \| 1 \| 7 \| 6 \| 0 \| 0 \|\n/,
    );
    expect(text).toContain('| kill-kafka | never | 0 |');
    expect(text).not.toContain('What went wrong there');
  });

  test('tell what went wrong on earlier commits, and whether the row has passed since', () => {
    const file = join(folder, 'reliability.json');
    for (const run of [
      { ...result, commit: 'c0', passed: false, problems: ['chain: hole'] },
      { ...result, commit: 'c0' },
      result,
    ])
      keepRun(run, 0, file);
    expect(report(readRuns(file))).toContain(
      'What went wrong there:\n\n- `c0`, `kill-bridge`, seed 7: chain: hole (the row has passed 1 times on later commits)\n',
    );
  });

  test('of sources that are no commit are not kept', () => {
    const file = join(folder, 'reliability.json');
    keepRun({ ...result, commit: undefined }, 0, file);
    expect(readRuns(file)).toEqual([]);
  });
});
