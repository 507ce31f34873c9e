import { existsSync, statSync, writeFileSync } from 'node:fs';
import { platform } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { makeFolder } from '../../lib/make-folder.ts';
import { temporaryFolder } from '../stack/servers/trial.ts';
import { printedBy } from './child.ts';

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
    for (const path of [file, join(file, 'a', 'b')])
      expect(() => makeFolder(path)).toThrow(
        expect.objectContaining({ code: 'ENOTDIR', message: `${file} is no folder` }),
      );
  });

  it.runIf(platform() === 'linux')('ends where no folder can be made', () => {
    const code = `import { makeFolder } from './lib/make-folder.ts'; try { makeFolder('/proc/nothing/data'); } catch (error) { console.log(error.code); }`;
    expect(printedBy(code)).toBe('ENOENT\n');
  });
});
