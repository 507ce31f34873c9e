import { Option } from 'commander';
import type { Command } from 'commander';
import type { EventsFormat } from './events/format.ts';
import { openEvents } from './events/open-events.ts';
import { UserError } from './exit.ts';
import { messageOf } from '../contracts/failures.ts';
import { dataDirOf, findRunningSystem } from './running-system.ts';
import { GatewayAwayError, submitEvents, type Refusal } from './submit-events.ts';

interface SubmitCommandOptions {
  pipeline?: string;
  gateway?: string;
  dataDir?: string;
  cloudevents?: boolean;
  output: 'text' | 'json';
}

const defaultGatewayUrl = 'http://127.0.0.1:8000';
/** Refusals that are listed; further ones are only counted. */
const refusalsListedMax = 1_000;

const exitRefused = 1;
const exitStopped = 2;
const exitCodes = `
Exit codes:
  0  every event was accepted (none, when there is none)
  1  some events were refused, and are named; all others were accepted
  2  nothing was sent, or not all: the file cannot be read or is of another format, no gateway answers, an option is wrong`;

/** Adds `headrace submit`: events from a file or from standard input, through the gateway. */
export function registerSubmit(program: Command): void {
  program
    .command('submit')
    .description('Send events through the gateway, byte for byte, and say which were refused and why.')
    .argument(
      '[file]',
      'file of JSON lines, or of a JSON array; also packed with gzip, or in UTF-16; "-" or nothing reads standard input',
      '-',
    )
    .option('--pipeline <name>', 'pipeline that the events are for; always needed')
    .option(
      '--gateway <url>',
      `address of the gateway (default: that of the running system, else ${defaultGatewayUrl})`,
    )
    .option('--data-dir <dir>', 'data folder of the running system (default: HEADRACE_DATA_DIR or .headrace/data)')
    .option('--cloudevents', 'each is a CloudEvent in its envelope, whose data is the event')
    .addOption(new Option('--output <form>', 'how to print').choices(['text', 'json']).default('text'))
    .addHelpText('after', exitCodes)
    .action((file: string, options: SubmitCommandOptions) =>
      submit(file, options).catch((error: unknown) => {
        throw new UserError(messageOf(error), exitStopped, { cause: error });
      }),
    );
}

async function submit(
  file: string,
  { pipeline, gateway, dataDir, cloudevents, output }: SubmitCommandOptions,
): Promise<void> {
  if (pipeline === undefined) throw new Error(pipelineMissing(dataDir));
  const gatewayUrl = gatewayUrlOf(gateway, dataDir);
  const source = await openEvents(file);
  if (source.format === 'empty')
    process.stderr.write(`${file === '-' ? 'standard input' : file} is empty: there is nothing to send\n`);
  const refusals: Refusal[] = [];
  let refused = 0;
  let accepted = 0;
  try {
    await submitEvents({
      gatewayUrl,
      pipeline,
      pieces: source.pieces,
      cloudEvents: cloudevents,
      signal: new AbortController().signal,
      onWaiting: (reason) =>
        process.stderr.write(`no gateway takes events at ${gatewayUrl} (${reason}); trying again for half a minute\n`),
      onAccepted: (count) => (accepted += count),
      onRefused: (refusal) => {
        refused += 1;
        if (output === 'text') process.stderr.write(`${placeText(refusal)}: ${refusal.code}: ${refusal.reason}\n`);
        else if (refusals.length < refusalsListedMax) refusals.push(refusal);
      },
    });
  } catch (error) {
    const hint = error instanceof GatewayAwayError ? '; start one with "npm start", or name it with --gateway' : '';
    throw new Error(`${messageOf(error)}${hint}${accepted > 0 ? `; ${events(accepted)} accepted before that` : ''}`, {
      cause: error,
    });
  } finally {
    source.close();
  }
  const summary =
    output === 'json'
      ? JSON.stringify({ pipeline, gateway: gatewayUrl, accepted, refused, refusals })
      : `${events(accepted)} accepted, ${refusedText(refused, source.format)} refused`;
  process.stdout.write(`${summary}\n`);
  if (refused > 0) process.exitCode = exitRefused;
}

function events(count: number): string {
  return `${count} ${count === 1 ? 'event' : 'events'}`;
}

function refusedText(count: number, format: EventsFormat): string {
  const unit = format === 'values' ? 'event' : 'line';
  return `${count} ${count === 1 ? unit : `${unit}s`}`;
}

function placeText({ line, event }: Refusal): string {
  return event === undefined ? `line ${line}` : `event ${event} (line ${line})`;
}

/** Commander's own words would not say what there is to choose from. */
function pipelineMissing(dataDir: string | undefined): string {
  const names = findRunningSystem(dataDirOf(dataDir, process.env))?.pipelines.map(({ name }) => name) ?? [];
  const choice =
    names.length > 0
      ? `the running system has ${names.join(', ')}`
      : '"headrace status" shows those of a running system';
  return `say which pipeline the events are for: add --pipeline <name> (${choice})`;
}

function gatewayUrlOf(option: string | undefined, dataDir: string | undefined): string {
  const url = option ?? findRunningSystem(dataDirOf(dataDir, process.env))?.gateway.url ?? defaultGatewayUrl;
  if (!/^https?:\/\/[^/]/.test(url))
    throw new Error(`--gateway must be an address such as ${defaultGatewayUrl}, not "${url}"`);
  return url.replace(/\/+$/, '');
}
