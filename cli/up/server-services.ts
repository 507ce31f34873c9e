import {
  choosePort,
  isPortTaken,
  startKafka,
  startModelServer,
  startPostgres,
  startTemporal,
} from '@headrace/stack/servers';
import type { EmbeddedServer } from '@headrace/stack/servers';
import type { DataFolder, Service } from '@headrace/stack/supervisor';
import { portUses } from './addresses.ts';
import type { Embedded, Ports, ServerPort } from './addresses.ts';
import type { Programs } from './prepare.ts';

export interface ServerServicesOptions {
  embedded: Embedded;
  programs: Programs;
  folder: DataFolder;
  /** Changed when one of a server that was never up is taken. */
  ports: Ports;
  namespace: string;
  /** How long Temporal and Kafka keep what is done. */
  retentionHours: number;
  uiCodecEndpoint: string;
  modelsDir: string;
  env: NodeJS.ProcessEnv;
  /** Told the password-bearing URL as soon as PostgreSQL has one. */
  onDatabaseUrl: (url: string) => void;
  /** Told which models of the repository the model server cannot serve, a sentence each. */
  onNotLoaded: (sentences: readonly string[]) => void;
  /** Told how long the namespace keeps closed runs. */
  onRetention: (hours: number) => void;
  /** Told what a server has elsewhere than asked for, a sentence each. */
  onNote: (note: string) => void;
}

/**
 * Starts a server at its ports. Until it has been up once nobody holds its addresses, so it moves when a port was taken after it was
 * chosen.
 */
function movable(
  options: ServerServicesOptions,
  names: ServerPort[],
  start: (onLaunch: (pid: number) => void) => Promise<EmbeddedServer>,
): Service['start'] {
  const { ports, onNote } = options;
  let hasBeenUp = false;
  return async (onLaunch) => {
    const server = await start(onLaunch).catch(async (error: unknown) => {
      if (hasBeenUp || !isPortTaken(error)) throw error;
      for (const name of names) {
        const chosen = await choosePort(ports[name]);
        if (chosen !== ports[name]) onNote(`port ${ports[name]} is taken: ${portUses[name]} uses ${chosen}`);
        ports[name] = chosen;
      }
      return start(onLaunch);
    });
    hasBeenUp = true;
    return server;
  };
}

/** The embedded servers as services. Each comes up at the same port after a death. */
export function serverServices(options: ServerServicesOptions): Service[] {
  const { embedded } = options;
  const services: Service[] = [];
  if (embedded.temporal) services.push(temporalService(options));
  if (embedded.kafka) services.push(kafkaService(options));
  if (embedded.postgres) services.push(postgresService(options));
  if (embedded.modelServer) services.push(modelService(options));
  return services;
}

function temporalService(options: ServerServicesOptions): Service {
  const { programs, folder, ports, env } = options;
  return {
    name: 'temporal',
    needs: [],
    start: movable(options, ['temporal', 'temporalUi'], async (onLaunch) => {
      const server = await startTemporal({
        executable: programs.temporal as string,
        dataDir: folder.serverDir('temporal'),
        port: ports.temporal,
        uiPort: ports.temporalUi,
        namespace: options.namespace,
        retentionHours: options.retentionHours,
        uiCodecEndpoint: options.uiCodecEndpoint,
        env,
        onLaunch,
      });
      options.onRetention(server.retentionHours);
      return server;
    }),
  };
}

function kafkaService(options: ServerServicesOptions): Service {
  const { programs, folder, ports, env } = options;
  return {
    name: 'kafka',
    needs: [],
    start: movable(options, ['kafka'], (onLaunch) =>
      startKafka({
        jarsDir: programs.kafkaJars as string,
        dataDir: folder.serverDir('kafka'),
        port: ports.kafka,
        retentionHours: options.retentionHours,
        env,
        onLaunch,
      }),
    ),
  };
}

function postgresService(options: ServerServicesOptions): Service {
  const { programs, folder, ports, env, onNote } = options;
  return {
    name: 'postgres',
    needs: [],
    start: movable(options, ['postgres'], async (onLaunch) => {
      const server = await startPostgres({
        binaries: programs.postgres!,
        dataDir: folder.serverDir('postgres'),
        port: ports.postgres,
        env,
        onLaunch,
        onNote,
      });
      options.onDatabaseUrl(server.databaseUrl);
      return server;
    }),
  };
}

function modelService(options: ServerServicesOptions): Service {
  const { folder, ports, env } = options;
  return {
    name: 'model-server',
    needs: [],
    start: movable(options, ['modelServer'], async (onLaunch) => {
      const server = await startModelServer({
        repository: options.modelsDir,
        dataDir: folder.serverDir('model-server'),
        port: ports.modelServer,
        env,
        onLaunch,
      });
      options.onNotLoaded(server.notLoaded);
      return server;
    }),
  };
}
