import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import type { BenchResult } from '../../bench/figures.ts';

const main = join(import.meta.dirname, '../../bench/main.ts');

function bench(...args: string[]): Promise<{ stdout: string; stderr: string }> {
  return promisify(execFile)(process.execPath, ['--import', 'tsx', main, ...args], { timeout: 170_000 });
}

describe('npm run bench', () => {
  test('takes a small backlog through all sinks and prints what it measured', async () => {
    const { stdout, stderr } = await bench('throughput', '--events', '3000', '--output', 'json');
    const [result] = JSON.parse(stdout) as BenchResult[];
    const figure = (name: string) => result!.figures.find((each) => each.name === name)?.value;
    expect(result!.bench).toBe('throughput');
    expect(figure('events')).toBe(3_000);
    expect(figure('batches')).toBeGreaterThanOrEqual(2);
    expect(figure('throughput through all sinks')).toBeGreaterThan(0);
    expect(figure('throughput against the equal-work loop')).toBeGreaterThan(0);
    expect(figure('CPU of all of them against that of the equal-work loop')).toBeGreaterThan(0);
    expect(figure('throughput against the bare loop')).toBeGreaterThan(0);
    expect(figure('reviews kept')).toBeGreaterThan(0);
    expect(stderr).toContain('3000 events produced');
  }, 180_000);

  test('refuses an unknown bench and a wrong number in one sentence', async () => {
    await expect(bench('speed')).rejects.toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/^bench: there is no bench "speed"; there are throughput, [^\n]+\n$/) as string,
    });
    await expect(bench('--events', 'many')).rejects.toMatchObject({
      code: 1,
      stderr: expect.stringContaining('whole number from 1') as string,
    });
  }, 60_000);
});
