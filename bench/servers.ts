import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Kafka, logLevel } from 'kafkajs';
import {
  prepareKafka,
  preparePostgres,
  prepareTemporal,
  startKafka,
  startModelServer,
  startPostgres,
  startTemporal,
} from '@headrace/stack/servers';
import type {
  EmbeddedServer,
  KafkaServer,
  ModelServer,
  PostgresServer,
  ServerName,
  TemporalServer,
} from '@headrace/stack/servers';
import { startMarkOf } from '@headrace/stack/servers/identity';
import type { BenchContext } from './context.ts';

const folderPrefix = 'headrace-bench-';
const modelRepository = join(import.meta.dirname, '..', 'models', 'repository');

interface ServerTypes {
  temporal: TemporalServer;
  kafka: KafkaServer;
  postgres: PostgresServer;
  'model-server': ModelServer;
}

/** The named servers in a temporary folder; `stop` ends them and removes it. */
export type BenchServers<Names extends ServerName> = Pick<ServerTypes, Names> & {
  dataDir: string;
  stop(): Promise<void>;
};

/** Starts embedded servers as `npm start` does, with fresh data. What was started is stopped again when one of them fails. */
export async function startServers<const Names extends ServerName>(
  context: BenchContext,
  names: readonly Names[],
): Promise<BenchServers<Names>> {
  removeLeftovers();
  const dataDir = mkdtempSync(join(tmpdir(), `${folderPrefix}${process.pid}-`));
  const running = new Map<ServerName, EmbeddedServer>();
  const stop = async () => {
    await Promise.allSettled([...running.values()].map((server) => server.stop()));
    rmSync(dataDir, { recursive: true, force: true, maxRetries: 5 });
  };
  context.tell(`starting ${names.join(', ')}`);
  const started = await Promise.allSettled(
    names.map(async (name) => running.set(name, await start(context, name, join(dataDir, name)))),
  );
  const failed = started.find((result) => result.status === 'rejected');
  if (failed) {
    await stop();
    throw failed.reason;
  }
  return { ...(Object.fromEntries(running) as Pick<ServerTypes, Names>), dataDir, stop };
}

/** Folders of runs that were interrupted stay behind; the next run takes them away. */
function removeLeftovers(): void {
  for (const name of readdirSync(tmpdir())) {
    const pid = name.startsWith(folderPrefix) ? Number(name.slice(folderPrefix.length).split('-')[0]) : Number.NaN;
    if (Number.isInteger(pid) && startMarkOf(pid) === undefined)
      rmSync(join(tmpdir(), name), { recursive: true, force: true });
  }
}

async function start(
  { cacheDir, temporalExecutable, env, tell }: BenchContext,
  name: ServerName,
  dataDir: string,
): Promise<EmbeddedServer> {
  const prepare = { cacheDir, env, onProgress: ({ what }: { what: string }) => tell(what) };
  switch (name) {
    case 'temporal':
      return startTemporal({
        executable: await prepareTemporal({ ...prepare, executable: temporalExecutable }),
        dataDir,
        headless: true,
        env,
      });
    case 'kafka':
      return startKafka({ jarsDir: await prepareKafka(prepare), dataDir, env });
    case 'postgres':
      return startPostgres({ binaries: await preparePostgres(prepare), dataDir, env });
    case 'model-server':
      return startModelServer({ repository: modelRepository, dataDir, env });
  }
}

/** A Kafka client of the bench's own. */
export function kafkaClient({ kafka }: BenchServers<'kafka'>): Kafka {
  return new Kafka({ clientId: 'bench', brokers: [kafka.address], logLevel: logLevel.NOTHING, requestTimeout: 30_000 });
}

/** What Temporal's database takes on disk, with its write-ahead log. */
export function temporalBytes({ dataDir }: BenchServers<'temporal'>): number {
  return ['temporal.db', 'temporal.db-wal'].reduce(
    (sum, file) => sum + (statSync(join(dataDir, 'temporal', file), { throwIfNoEntry: false })?.size ?? 0),
    0,
  );
}
