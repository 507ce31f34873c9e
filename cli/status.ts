import { groupIdOf } from '../contracts/group-id.ts';
import { InvalidArgumentError, Option } from 'commander';
import type { Command } from 'commander';
import type { SystemStanding } from '../status/standing.ts';
import { dataDirOf, findRunningSystem } from './running-system.ts';
import { connectServers, standingOf } from './servers.ts';
import { readStatus } from './status-report.ts';
import { statusText } from './status-text.ts';
import { systemConfig } from './system-config.ts';
import { verifySystem } from './verify.ts';
import type { VerifyReport } from './verify-report.ts';
import { verifyText } from './verify-text.ts';

interface StatusOptions {
  output: 'text' | 'json';
  dataDir?: string;
  verify?: true;
  openMinutes: number;
}

/** Adds `headrace status`: where everything of a running system is, how it does, and whether any record is missing. */
export function registerStatus(program: Command): void {
  program
    .command('status')
    .description(
      'Show every address, path and count of the system that "headrace up" runs. The JSON form holds the database password.',
    )
    .addOption(new Option('--output <form>', 'how to print').choices(['text', 'json']).default('text'))
    .option(
      '--verify',
      'check instead that each record is in one batch, that every batch completes, and that nothing stands; the exit code is 1 when not, and 2 when not everything could be looked at',
    )
    .option('--open-minutes <minutes>', 'with --verify: for how long a batch may be open', minutes, 10)
    .option('--data-dir <dir>', 'data folder of the system (default: HEADRACE_DATA_DIR or .headrace/data)')
    .option('--verbose', 'show stacks of errors')
    .action((options: StatusOptions) => (options.verify ? verifyStatus(options) : showStatus(options)));
}

async function showStatus({ output, dataDir }: StatusOptions): Promise<void> {
  const folder = dataDirOf(dataDir, process.env);
  const endpoints = findRunningSystem(folder);
  if (!endpoints)
    throw new Error(
      `no Headrace runs on the data folder ${folder}; start one with "npm start", or name another folder with --data-dir`,
    );
  const report = await readStatus(endpoints, () => lookItself(dataDir));
  process.stdout.write(output === 'json' ? `${JSON.stringify(report, undefined, 2)}\n` : statusText(report));
}

/** Without the gateway: by the servers of the system on the data folder, whatever the environment names. */
async function lookItself(dataDir: string | undefined): Promise<SystemStanding> {
  const {
    config,
    topics = [],
    targets,
  } = systemConfig(dataDir, { ...process.env, TEMPORAL_ADDRESS: '', KAFKA_BROKERS: '', DATABASE_URL: '' });
  const servers = await connectServers(config);
  try {
    const pipelines = topics.map(({ name, topic }) => ({
      pipeline: name,
      topic,
      groupId: groupIdOf(config, name),
    }));
    return await standingOf(servers, config, { pipelines, targets });
  } finally {
    await servers.close();
  }
}

/** What a script goes by; a command that could not run ends with 1, too. */
const exitCodes: Record<VerifyReport['verdict'], number> = { well: 0, wrong: 1, unknown: 2 };

/** Also for systems that `headrace up` does not run: the environment then names the servers. */
async function verifyStatus({ output, dataDir, openMinutes }: StatusOptions): Promise<void> {
  const report = await verifySystem(systemConfig(dataDir, process.env), openMinutes * 60);
  process.stdout.write(output === 'json' ? `${JSON.stringify(report, undefined, 2)}\n` : verifyText(report));
  process.exitCode = exitCodes[report.verdict];
}

function minutes(text: string): number {
  const value = Number(text);
  if (!(value >= 0 && value <= 100_000)) throw new InvalidArgumentError('give minutes from 0 to 100000.');
  return value;
}
