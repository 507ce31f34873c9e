import { InvalidArgumentError, Option, type Command } from 'commander';
import { parseConfig, type Config } from '../contracts/schemas/config.ts';
import { dataConverter } from '../temporal/connection.ts';
import { fetchHistory, isFileName, readHistoryFile } from '../temporal/history/history-source.ts';
import { runUnderDebugger } from './replay/inspect.ts';
import { readRun } from '../temporal/history/read-steps.ts';
import { Readable } from '../temporal/history/readable-value.ts';
import { replayHistory } from '../temporal/history/replay-history.ts';
import { replayText } from './replay/replay-text.ts';
import { dataDirOf, findRunningSystem } from './running-system.ts';

interface ReplayOptions {
  runId?: string;
  rows: number;
  output: 'text' | 'json';
  inspect?: true;
  dataDir?: string;
}

/** Adds `headrace replay`: runs today's workflow code against what happened, and shows each step with what went in and out. */
export function registerReplay(program: Command): void {
  program
    .command('replay')
    .description(
      "Replay a run on today's workflow code and print each of its steps. The exit code is 1 when it does not replay.",
    )
    .argument('<run>', 'workflow id (a batch also without its "batch:"), or file with an exported history (JSON, raw)')
    .option('--run-id <id>', 'one certain run of the workflow id (default: the latest)')
    .option('--rows <count>', 'rows of a batch that are shown', wholeNumber, 5)
    .addOption(new Option('--output <form>', 'how to print').choices(['text', 'json']).default('text'))
    .option('--inspect', 'wait for a debugger, and stop where the workflow begins')
    .option(
      '--data-dir <dir>',
      'data folder of the running system (default: HEADRACE_DATA_DIR or .headrace/data); TEMPORAL_ADDRESS goes before it',
    )
    .option('--verbose', 'show stacks of errors')
    .action(replay);
}

async function replay(source: string, options: ReplayOptions): Promise<void> {
  if (options.inspect) {
    process.exitCode = await runUnderDebugger(argumentsOf(source, options));
    return;
  }
  const config = configOf(options.dataDir);
  const converter = dataConverter(config.codec);
  const { history, workflowId } = isFileName(source)
    ? readHistoryFile(source)
    : await fetchHistory(source, options.runId, config);
  const { verdict, calls } = await replayHistory(history, { workflowId, dataConverter: converter });
  const run = await readRun(history, {
    readable: new Readable(converter.payloadCodecs ?? [], options.rows),
    calls,
    workflowId,
  });
  process.stdout.write(
    options.output === 'json' ? `${JSON.stringify({ ...run, verdict }, undefined, 2)}\n` : replayText(run, verdict),
  );
  if (!verdict.replays) process.exitCode = 1;
}

/** The settings; where they say nothing of Temporal, that of the system that runs on the data folder. */
function configOf(dataDir: string | undefined): Config {
  const config = parseConfig(process.env);
  const running = process.env['TEMPORAL_ADDRESS']
    ? undefined
    : findRunningSystem(dataDirOf(dataDir, process.env))?.temporal;
  if (!running) return config;
  return {
    ...config,
    temporal: {
      ...config.temporal,
      address: running.address,
      namespace: process.env['TEMPORAL_NAMESPACE'] || running.namespace,
    },
  };
}

/** The same command without `--inspect`. */
function argumentsOf(source: string, { runId, rows, output, dataDir }: ReplayOptions): string[] {
  return [
    'replay',
    '--rows',
    String(rows),
    '--output',
    output,
    ...(runId ? ['--run-id', runId] : []),
    ...(dataDir ? ['--data-dir', dataDir] : []),
    '--',
    source,
  ];
}

function wholeNumber(text: string): number {
  if (!/^\d{1,6}$/.test(text)) throw new InvalidArgumentError('give a whole number from 0 to 999999.');
  return Number(text);
}
