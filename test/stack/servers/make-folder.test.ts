import { spawnSync } from 'node:child_process';
import { existsSync, statSync, writeFileSync } from 'node:fs';
import { platform } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { makeFolder } from '../../../stack/servers/make-folder.ts';
import { temporaryFolder } from './trial.ts';

describe('making a folder', () => {
  it('makes all that is missing, and leaves what is there', () => {
    const path = join(temporaryFolder(), 'a', 'b', 'c');
    makeFolder(path);
    writeFileSync(join(path, 'file'), '');
    makeFolder(path);
    expect(statSync(path).isDirectory()).toBe(true);
    expect(existsSync(join(path, 'file'))).toBe(true);
  });

  it('says what is in the way', () => {
    const file = join(temporaryFolder(), 'file');
    writeFileSync(file, '');
    for (const path of [file, join(file, 'a', 'b')]) expect(() => makeFolder(path)).toThrow(expect.objectContaining({ code: 'ENOTDIR', message: `${file} is no folder` }));
  });

  it.runIf(platform() === 'linux')('ends where no folder can be made', () => {
    // In a process of its own, because a call that never returns would hold up this one.
    const source = new URL('../../../stack/servers/make-folder.ts', import.meta.url).pathname;
    const code = `import { makeFolder } from ${JSON.stringify(source)}; try { makeFolder('/proc/nothing/data'); } catch (error) { console.log(error.code); }`;
    const { stdout, signal } = spawnSync(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', code], { encoding: 'utf8', timeout: 30_000 });
    expect({ stdout, signal }).toEqual({ stdout: 'ENOENT\n', signal: null });
  });
});
