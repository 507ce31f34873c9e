import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { startNodeProcess } from '../../../stack/supervisor/index.ts';
import { stopAfterTest, temporaryFolder } from '../servers/trial.ts';

describe('a process of ours', () => {
  it('is asked for plain text, because its log is a file', async () => {
    const folder = temporaryFolder();
    const main = join(folder, 'main.mjs');
    writeFileSync(
      main,
      'setInterval(() => {}, 1_000); console.log(JSON.stringify({ ready: true, noColor: process.env.NO_COLOR, forced: process.env.FORCE_COLOR }));',
    );
    let line: Record<string, unknown> = {};
    stopAfterTest(
      await startNodeProcess({
        name: 'painter',
        main,
        env: { PATH: process.env['PATH'], FORCE_COLOR: '1' },
        logFile: join(folder, 'painter.log'),
        onReady: (ready) => void (line = ready),
      }),
    );
    expect(line).toEqual({ ready: true, noColor: '1' });
  });
});
