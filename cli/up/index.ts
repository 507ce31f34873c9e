import { Option } from 'commander';
import type { Command } from 'commander';
import { collectNames, parseBytes, parseHours, parseRate } from './options.ts';
import type { UpOptions } from './options.ts';
import { runUp } from './run.ts';

/** Adds `headrace up`: everything on one machine. */
export function registerUp(program: Command): void {
  program
    .command('up')
    .description(
      'Start Kafka, Temporal, PostgreSQL, a model server and Headrace on this machine, and stream events through them.',
    )
    .option('--events <file>', 'feed this file of events (JSON lines or a JSON array) instead of simulated ones')
    .option(
      '--rate <events per second>',
      'how fast to produce (default: 50 simulated, a file as fast as possible)',
      parseRate,
    )
    .option('--pipeline <name>', 'run this pipeline only; may be given several times', collectNames)
    .option('--pipelines <dir>', 'folder of your own pipelines (default: the shipped examples)')
    .option('--models <dir>', 'Triton model repository for the embedded model server')
    .option('--no-generator', 'produce no events')
    .option('--reset', 'empty the data folder first; asks')
    .option('--yes', 'do not ask')
    .addOption(
      new Option('--disk-max <size>', 'produce nothing while the data folder takes more')
        .argParser(parseBytes)
        .default(parseBytes('5GB'), '5GB'),
    )
    .option(
      '--retention <hours>',
      'how long finished batches stay in Temporal, and their events in Kafka (default: 1; with a Kafka of your own 24)',
      parseHours,
    )
    .option('--data-dir <dir>', 'where everything is kept (default: HEADRACE_DATA_DIR or .headrace/data)')
    .option('--free-ports', 'take any free ports instead of the usual ones, to run beside another Headrace')
    .option('--verbose', 'log at debug level, show stacks of errors')
    .addHelpText(
      'after',
      '\n"npm start -- [options]" does the same, after it has checked the machine and installed what is missing.',
    )
    .action(async (options: UpOptions) => {
      process.exitCode = await runUp(options, process.env);
    });
}
