import { appendFileSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { boundLogFile, readFrom, rotateLogFile, tailLines } from '../../../stack/servers/log-file.ts';
import { temporaryFolder } from './trial.ts';

describe('log files', () => {
  it('give their last lines, without empty ones and without earlier runs', () => {
    const log = join(temporaryFolder(), 'a.log');
    expect(tailLines(log, 3)).toEqual([]);
    writeFileSync(log, 'one\n\ntwo\nthree\n');
    expect(tailLines(log, 2)).toEqual(['two', 'three']);
    const offset = statSync(log).size;
    appendFileSync(log, 'four\n');
    expect(tailLines(log, 9, offset)).toEqual(['four']);
    expect(tailLines(log, 9, 10_000)).toEqual(['one', 'two', 'three', 'four']);
  });

  it('read as empty when missing', () => {
    expect(readFrom(join(temporaryFolder(), 'none'), 0, 10)).toBe('');
  });

  it('are moved away before a start only when too long', () => {
    const log = join(temporaryFolder(), 'a.log');
    writeFileSync(log, 'x'.repeat(100));
    rotateLogFile(log, 100);
    expect(statSync(log).size).toBe(100);
    rotateLogFile(log, 99);
    expect(() => statSync(log)).toThrow(/ENOENT/);
    expect(statSync(`${log}.1`).size).toBe(100);
  });

  it('are cut under a running writer, keeping their end', () => {
    const log = join(temporaryFolder(), 'a.log');
    writeFileSync(log, `${'x'.repeat(200_000)}the end\n`);
    expect(boundLogFile(log, 300_000)).toBe(false);
    expect(boundLogFile(log, 100_000)).toBe(true);
    expect(statSync(log).size).toBe(0);
    expect(readFileSync(`${log}.1`, 'utf8')).toMatch(/x+the end\n$/);
    expect(statSync(`${log}.1`).size).toBe(64 * 1024);
  });
});
