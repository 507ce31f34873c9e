import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { root, textOf } from '../source-tree.ts';
import { withPromtool } from './promtool.ts';

const rules = join(root, 'deploy/prometheus/headrace-rules.yml');

await withPromtool('the alert rules in promtool', (promtool) => {
  it('Prometheus takes the rules and the configuration', async () => {
    expect(await promtool('check', 'rules', rules)).toMatch(/SUCCESS: \d\d rules found/);
    expect(await promtool('check', 'config', join(root, 'deploy/prometheus/prometheus.yml'))).toContain('SUCCESS');
  });

  it('each alert comes when it should, also when a figure is not there at all', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'headrace-rules-'));
    try {
      const tests = join(folder, 'tests.yml');
      writeFileSync(tests, textOf('test/deploy/headrace-rules.test.yml').replace('RULES', rules));
      expect(await promtool('test', 'rules', tests)).toContain('SUCCESS');
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
