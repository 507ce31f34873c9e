import { Option } from 'commander';
import type { Command } from 'commander';
import { dataDirOf, findRunningSystem } from './running-system.ts';
import { readStatus } from './status-report.ts';
import { statusText } from './status-text.ts';

interface StatusOptions {
  output: 'text' | 'json';
  dataDir?: string;
}

/** Adds `headrace status`: where everything of a running system is, and how it does. */
export function registerStatus(program: Command): void {
  program
    .command('status')
    .description('Show every address, path and count of the system that "headrace up" runs. The JSON form holds the database password.')
    .addOption(new Option('--output <form>', 'how to print').choices(['text', 'json']).default('text'))
    .option('--data-dir <dir>', 'data folder of the system (default: HEADRACE_DATA_DIR or .headrace/data)')
    .action(async ({ output, dataDir }: StatusOptions) => {
      const folder = dataDirOf(dataDir, process.env);
      const endpoints = findRunningSystem(folder);
      if (!endpoints) throw new Error(`no Headrace runs on the data folder ${folder}; start one with "headrace up", or name another folder with --data-dir`);
      const report = await readStatus(endpoints);
      process.stdout.write(output === 'json' ? `${JSON.stringify(report, undefined, 2)}\n` : statusText(report));
    });
}
