import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { caughtAs, mutants, plant } from './mutants.ts';
import { rows } from './rows/index.ts';
import { repositoryRoot } from './system/product.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'headrace-mutants-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function copy(files: readonly string[]): void {
  for (const file of files) {
    mkdirSync(dirname(join(folder, file)), { recursive: true });
    cpSync(join(repositoryRoot, file), join(folder, file));
  }
}

describe('mutants', () => {
  test('have names of their own, and each names a row of the matrix', () => {
    expect(new Set(mutants.map(({ name }) => name)).size).toBe(mutants.length);
    expect(mutants.filter(({ row }) => !rows.some(({ name }) => name === row))).toEqual([]);
  });

  test.each(mutants.map((mutant) => [mutant.name, mutant] as const))(
    '%s can be planted in the sources of today',
    (_, mutant) => {
      const files = [...new Set(mutant.changes.map(({ file }) => file))];
      copy(files);
      plant(mutant, folder);
      for (const file of files)
        expect(readFileSync(join(folder, file), 'utf8')).not.toBe(readFileSync(join(repositoryRoot, file), 'utf8'));
    },
  );

  test('are caught by what a row finds wrong, not by what a log says', () => {
    const mutant = mutants.find(({ name }) => name === 'adopt-local-end')!;
    expect(
      caughtAs(mutant, [
        'the backlog is committed: not within 60000 ms\n--- bridge-1\nconnection: lost',
        'the whole twice',
      ]),
    ).toBeUndefined();
    expect(caughtAs(mutant, ['dashboard: test:p:0:t:0:1: lost\n--- bridge-1'])).toBe('dashboard: test:p:0:t:0:1: lost');
  });

  test('say when the sources have moved', () => {
    copy(['bridge/start-batch.ts']);
    const moved = {
      ...mutants[0]!,
      changes: [{ file: 'bridge/start-batch.ts', from: 'a line that nobody wrote', to: '' }],
    };
    expect(() => plant(moved, folder)).toThrow('is there 0 times');
  });
});
