import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  defaultCacheDir,
  prepareKafka,
  preparePostgres,
  prepareTemporal,
  removePostgresElsewhere,
  startKafka,
  startModelServer,
  startPostgres,
  startTemporal,
} from '../../stack/servers/index.ts';
import type { EmbeddedServer } from '../../stack/servers/index.ts';
import { startMarkOf } from '../../stack/servers/identity.ts';

/** What a test can ask for. `models` is the path of a Triton model repository. */
export interface LiveNeeds {
  temporal?: true;
  kafka?: true;
  postgres?: true;
  models?: string;
}

/** What it gets. Every value is plain data, so that it can travel between processes. */
export interface LiveAddresses {
  temporal: { address: string; namespace: string; executable: string };
  kafka: { brokers: string[] };
  postgres: { databaseUrl: string };
  models: { address: string };
}

export type LiveServerKind = keyof LiveAddresses;

const folderPrefix = 'headrace-live-';

/** Folders of runs that were killed stay behind; the next run takes them away. */
function removeLeftovers(): void {
  for (const name of readdirSync(tmpdir())) {
    const pid = name.startsWith(folderPrefix) ? Number(name.slice(folderPrefix.length).split('-')[0]) : Number.NaN;
    if (Number.isInteger(pid) && startMarkOf(pid) === undefined)
      rmSync(join(tmpdir(), name), { recursive: true, force: true });
  }
}

/** Real servers in a temporary folder, each started at the first request for it and stopped together. */
export class LiveServerPool {
  readonly dataDir: string;
  readonly #env: NodeJS.ProcessEnv;
  readonly #running: EmbeddedServer[] = [];
  readonly #started = new Map<string, Promise<unknown>>();

  constructor(env: NodeJS.ProcessEnv) {
    removeLeftovers();
    this.#env = env;
    this.dataDir = mkdtempSync(join(tmpdir(), `${folderPrefix}${process.pid}-`));
  }

  /** Addresses of a server of this kind; starts it when nobody asked before. */
  get<K extends LiveServerKind>(kind: K, repository?: string): Promise<LiveAddresses[K]> {
    const key = `${kind} ${repository ?? ''}`;
    const known = this.#started.get(key) ?? this.#start(kind, repository);
    this.#started.set(key, known);
    return known as Promise<LiveAddresses[K]>;
  }

  /** Stops everything side by side and removes the folder. Rejects when a server could not be stopped. */
  async stop(): Promise<void> {
    await Promise.allSettled(this.#started.values());
    const results = await Promise.allSettled(this.#running.map((server) => server.stop()));
    removePostgresElsewhere(join(this.dataDir, 'postgres'));
    rmSync(this.dataDir, { recursive: true, force: true, maxRetries: 5 });
    for (const result of results) if (result.status === 'rejected') throw result.reason;
  }

  #keep<S extends EmbeddedServer>(server: S): S {
    this.#running.push(server);
    return server;
  }

  async #start(kind: LiveServerKind, repository: string | undefined): Promise<LiveAddresses[LiveServerKind]> {
    const prepare = { cacheDir: defaultCacheDir(this.#env), env: this.#env };
    switch (kind) {
      case 'temporal': {
        const executable = await prepareTemporal({
          ...prepare,
          executable: this.#env['TEMPORAL_EXECUTABLE'] || undefined,
        });
        const server = this.#keep(
          await startTemporal({ executable, dataDir: join(this.dataDir, 'temporal'), headless: true, env: this.#env }),
        );
        return { address: server.address, namespace: server.namespace, executable };
      }
      case 'kafka': {
        const server = this.#keep(
          await startKafka({
            jarsDir: await prepareKafka({ ...prepare, version: this.#env['HEADRACE_TEST_KAFKA_VERSION'] || undefined }),
            dataDir: join(this.dataDir, 'kafka'),
          }),
        );
        return { brokers: [server.address] };
      }
      case 'postgres': {
        const server = this.#keep(
          await startPostgres({ binaries: await preparePostgres(prepare), dataDir: join(this.dataDir, 'postgres') }),
        );
        return { databaseUrl: server.databaseUrl };
      }
      case 'models': {
        if (repository === undefined) throw new Error('models needs the path of a model repository');
        const dataDir = mkdtempSync(join(this.dataDir, 'models-'));
        return { address: this.#keep(await startModelServer({ repository, dataDir })).address };
      }
    }
  }
}
