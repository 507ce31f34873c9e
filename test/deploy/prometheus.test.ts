import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { root, textOf } from '../source-tree.ts';

const run = promisify(execFile);
const rules = join(root, 'deploy/prometheus/headrace-rules.yml');

/** Like the real tritonserver, Prometheus's own tool may be missing on a machine for work, and must not be where a green run is a proof. */
async function findPromtool(): Promise<{ path: string; missing?: string }> {
  try {
    const { stdout } = await run('sh', [join(root, 'test/deploy/promtool.sh')], { timeout: 120_000 });
    return { path: stdout.trim() };
  } catch (error) {
    return { path: '', missing: (error as { stderr?: string }).stderr?.trim() || (error as Error).message };
  }
}

const promtool = await findPromtool();

// Where it cannot be had the tests are skipped, and say so; never in CI.
if (promtool.missing !== undefined) console.warn(`NOT RUN: the alert rules in promtool: ${promtool.missing}`);

describe.skipIf(promtool.missing !== undefined && process.env['CI'] !== 'true')('the alert rules in promtool', () => {
  it('Prometheus takes the rules and the configuration', async () => {
    expect((await run(promtool.path, ['check', 'rules', rules])).stdout).toMatch(/SUCCESS: \d\d rules found/);
    expect((await run(promtool.path, ['check', 'config', join(root, 'deploy/prometheus/prometheus.yml')])).stdout).toContain('SUCCESS');
  });

  it('each alert comes when it should, also when a figure is not there at all', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'headrace-rules-'));
    try {
      const tests = join(folder, 'tests.yml');
      writeFileSync(tests, textOf('test/deploy/headrace-rules.test.yml').replace('RULES', rules));
      expect((await run(promtool.path, ['test', 'rules', tests])).stdout).toContain('SUCCESS');
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
