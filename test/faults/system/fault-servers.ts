import { cpSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import {
  defaultCacheDir,
  newClusterId,
  prepareKafka,
  preparePostgres,
  prepareTemporal,
  startKafka,
  startModelServer,
  startPostgres,
  startTemporal,
  type ClusterPlace,
  type KafkaServer,
  type ModelServer,
  type PostgresServer,
  type TemporalServer,
} from '../../../stack/servers/index.ts';
import { FaultProxy } from '../proxy/fault-proxy.ts';
import { FaultServer } from './fault-server.ts';
import { quietPort } from './quiet-port.ts';
import { repositoryRoot } from './product.ts';

/** Both versions of the model whose every prediction a test can recompute. */
export const linearModels = join(repositoryRoot, 'test/inference-client/fixtures/repository');

/** What Headrace stands on, each real, of this run's own, and behind a proxy. Kafka may be a cluster of several brokers. */
export class FaultServers {
  private constructor(
    readonly brokers: readonly FaultServer<KafkaServer>[],
    readonly temporal: FaultServer<TemporalServer>,
    readonly postgres: FaultServer<PostgresServer>,
    readonly models: FaultServer<ModelServer>,
    /** Settings that Temporal gets at its next start. */
    readonly temporalSettings: string[],
    /** The model repository, which a row may change. It begins with version 1 of `linear`. */
    readonly repository: string,
  ) {}

  static async start(folder: string, env: NodeJS.ProcessEnv, brokerCount = 1): Promise<FaultServers> {
    const repository = join(folder, 'repository');
    mkdirSync(repository, { recursive: true });
    cpSync(join(linearModels, 'linear'), join(repository, 'linear'), {
      recursive: true,
      filter: (path) => !path.endsWith('/2'),
    });
    const temporalSettings: string[] = [];
    const places = await placesOf(brokerCount);
    const starts = [
      startFaultyTemporal(folder, env, temporalSettings),
      startFaultyPostgres(folder, env),
      startFaultyModels(folder, repository),
      ...places.map((place) => startFaultyKafka(folder, env, place)),
    ];
    const started = await Promise.allSettled<FaultServer>(starts);
    const failed = started.find((each) => each.status === 'rejected');
    if (failed) {
      await Promise.allSettled(started.flatMap((each) => (each.status === 'fulfilled' ? [each.value.stop()] : [])));
      throw failed.reason;
    }
    const [temporal, postgres, models, ...brokers] = started.map(
      (each) => (each as PromiseFulfilledResult<unknown>).value,
    ) as [
      FaultServer<TemporalServer>,
      FaultServer<PostgresServer>,
      FaultServer<ModelServer>,
      ...FaultServer<KafkaServer>[],
    ];
    return new FaultServers(brokers, temporal, postgres, models, temporalSettings, repository);
  }

  /** The broker, for rows that have one. */
  get kafka(): FaultServer<KafkaServer> {
    return this.brokers[0]!;
  }

  get all(): FaultServer[] {
    return [...this.brokers, this.temporal, this.postgres, this.models];
  }

  /** Takes every fault away: proxies pass, and what is down is started. */
  async heal(): Promise<void> {
    await Promise.all(this.all.map((server) => server.restart()));
    await Promise.all(this.all.map((server) => server.proxy.heal()));
  }

  async stop(): Promise<void> {
    const results = await Promise.allSettled(this.all.map((server) => server.stop()));
    for (const result of results) if (result.status === 'rejected') throw result.reason;
  }
}

/** Where each of so many brokers is in their cluster. */
async function placesOf(count: number): Promise<ClusterPlace[]> {
  const clusterId = newClusterId();
  const controllerPorts: number[] = [];
  for (let i = 0; i < count; i++) controllerPorts.push(await quietPort());
  return controllerPorts.map((_, i) => ({ nodeId: i + 1, clusterId, controllerPorts }));
}

async function startFaultyKafka(
  folder: string,
  env: NodeJS.ProcessEnv,
  place: ClusterPlace,
): Promise<FaultServer<KafkaServer>> {
  const name = place.controllerPorts.length === 1 ? 'kafka' : `kafka-${place.nodeId}`;
  const [port, viaPort] = [await quietPort(), await quietPort()];
  const jarsDir = await prepareKafka({ cacheDir: defaultCacheDir(env) });
  const proxy = await FaultProxy.start(viaPort, await quietPort());
  // Kafka tells its clients where to connect: those that come through the proxy must be told the proxy.
  return FaultServer.start(name, proxy, () =>
    startKafka({
      jarsDir,
      dataDir: join(folder, name),
      port,
      place,
      via: { port: viaPort, advertisedPort: proxy.port },
    }),
  );
}

async function startFaultyTemporal(
  folder: string,
  env: NodeJS.ProcessEnv,
  dynamicConfig: readonly string[],
): Promise<FaultServer<TemporalServer>> {
  const port = await quietPort();
  const executable = await prepareTemporal({
    cacheDir: defaultCacheDir(env),
    env,
    executable: env['TEMPORAL_EXECUTABLE'] || undefined,
  });
  return FaultServer.start('temporal', await FaultProxy.start(port, await quietPort()), () =>
    startTemporal({ executable, dataDir: join(folder, 'temporal'), port, headless: true, dynamicConfig }),
  );
}

async function startFaultyPostgres(folder: string, env: NodeJS.ProcessEnv): Promise<FaultServer<PostgresServer>> {
  const port = await quietPort();
  const binaries = await preparePostgres({ cacheDir: defaultCacheDir(env) });
  return FaultServer.start('postgres', await FaultProxy.start(port, await quietPort()), () =>
    startPostgres({ binaries, dataDir: join(folder, 'postgres'), port }),
  );
}

async function startFaultyModels(folder: string, repository: string): Promise<FaultServer<ModelServer>> {
  const port = await quietPort();
  return FaultServer.start('models', await FaultProxy.start(port, await quietPort()), () =>
    startModelServer({ repository, dataDir: join(folder, 'models'), port }),
  );
}
