import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { VerifyReport } from '../../../cli/verify-report.ts';
import { until } from '../../live/wait.ts';
import type { FaultSystem } from './fault-system.ts';

const run = promisify(execFile);

/** What `headrace status --verify` of the tested product says is wrong, once it has had time to say that nothing is. */
export async function verified(system: FaultSystem): Promise<string[]> {
  let said = '';
  try {
    await until(
      'headrace status --verify says that all is well',
      async () => {
        const report = await verifyOnce(system);
        said = JSON.stringify(report).slice(0, 1_000);
        return report.ok && report.ledger.length > 0;
      },
      { timeoutMs: 60_000, everyMs: 2_000 },
    );
    return [];
  } catch (error) {
    return [`${String(error)}; it says ${said}`];
  }
}

async function verifyOnce({ productRoot, env }: FaultSystem): Promise<VerifyReport> {
  const cli = ['--import', 'tsx', 'cli/main.ts', 'status', '--verify', '--output', 'json'];
  const options = {
    cwd: productRoot,
    env: { PATH: process.env['PATH'], HOME: process.env['HOME'], ...env },
    timeout: 60_000,
    maxBuffer: 16 * 1_024 * 1_024,
  };
  // The exit code is 1 when something is wrong, and the report is there all the same.
  const { stdout } = await run(process.execPath, cli, options).catch((error: { stdout?: string; message: string }) => {
    if (!error.stdout) throw new Error(error.message);
    return { stdout: error.stdout };
  });
  return JSON.parse(stdout) as VerifyReport;
}
