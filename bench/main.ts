/**
 * What Headrace costs: throughput, latency, memory and CPU, measured on real servers in a temporary folder.
 * One file for each bench; figures are printed as a table or as JSON.
 * Only ratios of interleaved runs can be compared: the speed of a machine changes by the hour.
 */
import { Command, InvalidArgumentError, Option } from 'commander';
import { defaultCacheDir } from '@headrace/stack/servers';
import { benches } from './benches.ts';
import { formatResults, type BenchResult } from './figures.ts';

interface Options {
  events: number;
  rate: number;
  seconds: number;
  output: 'table' | 'json';
  sinks?: string[];
  partitions?: number[];
  profile?: string;
}

function positive(text: string): number {
  const number = Number(text);
  if (!Number.isSafeInteger(number) || number < 1) throw new InvalidArgumentError('It must be a whole number from 1.');
  return number;
}

async function run(names: string[], options: Options): Promise<void> {
  const unknown = names.find((name) => !benches.some((bench) => bench.name === name));
  if (unknown !== undefined)
    throw new Error(`there is no bench "${unknown}"; there are ${benches.map(({ name }) => name).join(', ')}`);
  const startedMs = performance.now();
  const tell = (line: string) =>
    process.stderr.write(`${((performance.now() - startedMs) / 1_000).toFixed(1).padStart(7)} s  ${line}\n`);
  const context = {
    cacheDir: defaultCacheDir(process.env),
    temporalExecutable: process.env['TEMPORAL_EXECUTABLE'] || undefined,
    env: process.env,
    tell,
    events: options.events,
    rate: options.rate,
    seconds: options.seconds,
    sinks: options.sinks,
    partitions: options.partitions,
    profileDir: options.profile,
  };
  const results: BenchResult[] = [];
  for (const bench of benches.filter(({ name }) => names.length === 0 || names.includes(name))) {
    tell(`${bench.name}: ${bench.what}`);
    results.push({ bench: bench.name, figures: await bench.run(context) });
  }
  process.stdout.write(
    options.output === 'json' ? `${JSON.stringify(results, null, 2)}\n` : `\n${formatResults(results)}\n`,
  );
}

const program = new Command('bench')
  .description(
    `Measures Headrace on this machine, with embedded servers in a temporary folder.\n\n${benches.map(({ name, what }) => `  ${name.padEnd(12)}${what}`).join('\n')}`,
  )
  .argument('[names...]', 'benches to run; absent = all')
  .option('--events <count>', 'events of the throughput bench', positive, 500_000)
  .option('--rate <events>', 'events per second of the latency bench', positive, 200)
  .option('--seconds <seconds>', 'length of the latency bench', positive, 60)
  .option(
    '--partitions <counts>',
    'partitions of the topic in the runs of latency and throughput, comma-separated (default: 1,4,16 and 4)',
    (text) => text.split(',').map(positive),
  )
  .addOption(new Option('--output <form>', 'form of the result').choices(['table', 'json']).default('table'))
  .option('--sinks <names>', 'only these sinks of the pipeline, comma-separated', (text) => text.split(','))
  .addOption(new Option('--profile <folder>', 'leave CPU profiles of bridge and worker there').hideHelp())
  .action(run);

// What is under way stops its servers in its own `finally`; a guard beside each server ends it when this process is killed.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));
try {
  await program.parseAsync(process.argv);
  process.exit(0);
} catch (error) {
  process.stderr.write(`bench: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
}
