import { startKafka, startModelServer, startPostgres, startTemporal } from '../../stack/servers/index.ts';
import type { DataFolder, Service } from '../../stack/supervisor/index.ts';
import type { Embedded, Ports } from './addresses.ts';
import type { Programs } from './prepare.ts';

export interface ServerServicesOptions {
  embedded: Embedded;
  programs: Programs;
  folder: DataFolder;
  ports: Ports;
  namespace: string;
  uiCodecEndpoint: string;
  modelsDir: string;
  env: NodeJS.ProcessEnv;
  /** Told the password-bearing URL as soon as PostgreSQL has one. */
  onDatabaseUrl: (url: string) => void;
  /** Told which models of the repository the model server cannot serve, a sentence each. */
  onNotLoaded: (sentences: readonly string[]) => void;
  /** Told how long the namespace keeps closed runs. */
  onRetention: (hours: number) => void;
}

/** The embedded servers as services. Each comes up at the same port after a death. */
export function serverServices(options: ServerServicesOptions): Service[] {
  const { embedded, programs, folder, ports, env } = options;
  const services: Service[] = [];
  if (embedded.temporal) {
    services.push({
      name: 'temporal', needs: [],
      start: async (onLaunch) => {
        const server = await startTemporal({
          executable: programs.temporal as string, dataDir: folder.serverDir('temporal'), port: ports.temporal, uiPort: ports.temporalUi,
          namespace: options.namespace, uiCodecEndpoint: options.uiCodecEndpoint, env, onLaunch,
        });
        options.onRetention(server.retentionHours);
        return server;
      },
    });
  }
  if (embedded.kafka) {
    services.push({
      name: 'kafka', needs: [],
      start: (onLaunch) => startKafka({ jarsDir: programs.kafkaJars as string, dataDir: folder.serverDir('kafka'), port: ports.kafka, env, onLaunch }),
    });
  }
  if (embedded.postgres) {
    services.push({
      name: 'postgres', needs: [],
      start: async (onLaunch) => {
        const server = await startPostgres({ binaries: programs.postgres!, dataDir: folder.serverDir('postgres'), port: ports.postgres, env, onLaunch });
        options.onDatabaseUrl(server.databaseUrl);
        return server;
      },
    });
  }
  if (embedded.modelServer) {
    services.push({
      name: 'model-server', needs: [],
      start: async (onLaunch) => {
        const server = await startModelServer({ repository: options.modelsDir, dataDir: folder.serverDir('model-server'), port: ports.modelServer, env, onLaunch });
        options.onNotLoaded(server.notLoaded);
        return server;
      },
    });
  }
  return services;
}
