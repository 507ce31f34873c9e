/**
 * The `headrace` command: one file for each subcommand.
 * What a command finds out stands in `status/`, `ledger/` and `temporal/`; here is how it is asked and shown.
 * Exit codes are documented in README.md.
 */
import { fullMessageOf, isPostgresError, messageOf } from '../lib/error-text.ts';
import { readFileSync } from 'node:fs';
import { Command, CommanderError } from 'commander';
import { UserError } from './exit.ts';
import { directHosts } from '../lib/proxies.ts';
import { cleanSettings } from '../contracts/schemas/config.ts';
import { registerChains } from './chains.ts';
import { registerEpoch } from './epoch.ts';
import { registerRedrive } from './redrive.ts';
import { registerReplay } from './replay.ts';
import { registerResume } from './resume.ts';
import { registerStatus } from './status.ts';
import { registerSubmit } from './submit.ts';
import { registerUp } from './up/index.ts';

/** Every subcommand, one line each: a function that adds itself to the program. */
const commands: ((program: Command) => void)[] = [
  registerUp,
  registerSubmit,
  registerStatus,
  registerChains,
  registerEpoch,
  registerRedrive,
  registerResume,
  registerReplay,
];

const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
  version: string;
};

const program = new Command('headrace')
  .description('Turns a Kafka topic into durable, exactly-once model decisions.')
  .version(version, '--version', 'print the version')
  .showHelpAfterError('(headrace --help shows what there is)')
  .exitOverride();
for (const register of commands) register(program);

/** One clear sentence; the stack only for those who ask. */
function report(error: unknown): void {
  const verbose = process.argv.includes('--verbose');
  const message =
    (verbose && error instanceof Error ? error.stack : undefined) ??
    (isPostgresError(error) ? messageOf(error) : fullMessageOf(error));
  process.stderr.write(`headrace: ${message}\n`);
}

Object.assign(process.env, cleanSettings(process.env), directHosts(process.env));
// The embedded database is reached by what is known of it. What the environment says of another one (PGOPTIONS, PGSSLMODE, ...) would go into
// each connection to this one, too.
if (!process.env['DATABASE_URL'])
  for (const name of Object.keys(process.env)) if (/^PG[A-Z]+$/.test(name)) delete process.env[name];
try {
  await program.parseAsync(process.argv);
} catch (error) {
  // Commander has printed its own messages, help among them.
  if (!(error instanceof CommanderError)) report(error);
  process.exitCode = error instanceof CommanderError || error instanceof UserError ? error.exitCode : 1;
}
