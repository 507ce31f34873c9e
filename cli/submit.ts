import { Option } from 'commander';
import type { Command } from 'commander';
import { createReadStream } from 'node:fs';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { dataDirOf, findRunningSystem } from './running-system.ts';
import { GatewayAwayError, submitLines, type Refusal } from './submit-lines.ts';

interface SubmitCommandOptions {
  pipeline?: string;
  gateway?: string;
  dataDir?: string;
  output: 'text' | 'json';
}

const defaultGatewayUrl = 'http://127.0.0.1:8000';
/** Refusals that are listed; further ones are only counted. */
const refusalsListedMax = 1_000;

/** Adds `headrace submit`: events from a file or from standard input, through the gateway. */
export function registerSubmit(program: Command): void {
  program
    .command('submit')
    .description('Send events (one JSON object a line) through the gateway, and say which lines were refused and why.')
    .argument('[file]', 'file of JSON lines; "-" or nothing reads standard input', '-')
    .option('--pipeline <name>', 'pipeline that the events are for; always needed')
    .option('--gateway <url>', `address of the gateway (default: that of the running system, else ${defaultGatewayUrl})`)
    .option('--data-dir <dir>', 'data folder of the running system (default: HEADRACE_DATA_DIR or .headrace/data)')
    .addOption(new Option('--output <form>', 'how to print').choices(['text', 'json']).default('text'))
    .action(submit);
}

async function submit(file: string, { pipeline, gateway, dataDir, output }: SubmitCommandOptions): Promise<void> {
  if (pipeline === undefined) throw new Error(pipelineMissing(dataDir));
  const gatewayUrl = gatewayUrlOf(gateway, dataDir);
  const input = await openInput(file);
  const refusals: Refusal[] = [];
  let refused = 0;
  const accepted = await submitLines({
    gatewayUrl,
    pipeline,
    lines: createInterface({ input, crlfDelay: Infinity }),
    signal: new AbortController().signal,
    onWaiting: (reason) => process.stderr.write(`no gateway takes events at ${gatewayUrl} (${reason}); trying again for half a minute\n`),
    onRefused: (refusal) => {
      refused += 1;
      if (output === 'text') process.stderr.write(`line ${refusal.line}: ${refusal.code}: ${refusal.reason}\n`);
      else if (refusals.length < refusalsListedMax) refusals.push(refusal);
    },
  }).catch((error: unknown) => {
    throw error instanceof GatewayAwayError ? new Error(`${error.message}; start one with "npm start", or name it with --gateway`, { cause: error }) : error;
  });
  const summary = output === 'json' ? JSON.stringify({ pipeline, gateway: gatewayUrl, accepted, refused, refusals }) : `${accepted} ${accepted === 1 ? 'event' : 'events'} accepted, ${refused} ${refused === 1 ? 'line' : 'lines'} refused`;
  process.stdout.write(`${summary}\n`);
  if (refused > 0) process.exitCode = 1;
}

/** Commander's own words would not say what there is to choose from. */
function pipelineMissing(dataDir: string | undefined): string {
  const names = findRunningSystem(dataDirOf(dataDir, process.env))?.pipelines.map(({ name }) => name) ?? [];
  const choice = names.length > 0 ? `the running system has ${names.join(', ')}` : '"headrace status" shows those of a running system';
  return `say which pipeline the events are for: add --pipeline <name> (${choice})`;
}

function gatewayUrlOf(option: string | undefined, dataDir: string | undefined): string {
  const url = option ?? findRunningSystem(dataDirOf(dataDir, process.env))?.gateway.url ?? defaultGatewayUrl;
  if (!/^https?:\/\/[^/]/.test(url)) throw new Error(`--gateway must be an address such as ${defaultGatewayUrl}, not "${url}"`);
  return url.replace(/\/+$/, '');
}

async function openInput(file: string): Promise<Readable> {
  if (file === '-') return process.stdin;
  const input = createReadStream(file);
  try {
    // A folder can be opened, and fails only when it is read.
    await Promise.race([once(input, 'readable'), once(input, 'end')]);
  } catch (error) {
    throw new Error(`${file} cannot be read (${(error as Error).message})`, { cause: error });
  }
  return input;
}
