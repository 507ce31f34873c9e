import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Console } from '../../../cli/up/console.ts';
import { Refusals } from '../../../cli/up/refusals.ts';
import { temporaryFolder } from '../../stack/servers/trial.ts';

describe('refused lines', () => {
  it('are shown up to a number and all kept in a file of this run', () => {
    const logFile = join(temporaryFolder(), 'refused.log');
    writeFileSync(logFile, 'of an earlier run\n');
    let shown = '';
    const refusals = new Refusals(
      new Console({ write: (text) => void (shown += text), columns: () => undefined }),
      'a.jsonl',
      logFile,
    );
    for (let line = 1; line <= 500; line += 1) refusals.add(line, 'not JSON');
    const lines = shown.trimEnd().split('\n');
    expect(lines).toHaveLength(21);
    expect(lines[0]).toBe('a.jsonl:1: refused: not JSON');
    expect(lines[20]).toContain(logFile);
    const kept = readFileSync(logFile, 'utf8').trimEnd().split('\n');
    expect(kept).toHaveLength(500);
    expect(kept[499]).toBe('a.jsonl:500: refused: not JSON');
  });
});
