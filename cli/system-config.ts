import { parseConfig, type Config } from '../contracts/schemas/config.ts';
import { dataDirOf, findRunningSystem } from './running-system.ts';

/** Settings of the system that a command is about, and its pipelines as far as they are known. */
export interface SystemConfig {
  config: Config;
  pipelines: string[];
}

/**
 * The settings of the environment; where they say nothing of a server, that of the system which runs on the data folder. Throws
 * one sentence when there is neither.
 */
export function systemConfig(dataDir: string | undefined, env: NodeJS.ProcessEnv): SystemConfig {
  const config = parseConfig(env);
  const folder = dataDirOf(dataDir, env);
  const isSet = (name: string) => Boolean(env[name]);
  const running = findRunningSystem(folder);
  if (!running) {
    if (isSet('TEMPORAL_ADDRESS')) return { config, pipelines: config.pipelines ?? [] };
    throw new Error(`no Headrace runs on the data folder ${folder}; name another folder with --data-dir, or set TEMPORAL_ADDRESS, KAFKA_BROKERS and DATABASE_URL`);
  }
  const { temporal, kafka, database, deployment } = running;
  return {
    pipelines: running.pipelines.map(({ name }) => name),
    config: {
      ...config,
      deployment: isSet('HEADRACE_DEPLOYMENT') ? config.deployment : deployment,
      temporal: {
        ...config.temporal,
        address: isSet('TEMPORAL_ADDRESS') ? config.temporal.address : temporal.address,
        namespace: isSet('TEMPORAL_NAMESPACE') ? config.temporal.namespace : temporal.namespace,
      },
      kafka: { ...config.kafka, brokers: isSet('KAFKA_BROKERS') ? config.kafka.brokers : kafka.brokers },
      database: { ...config.database, url: isSet('DATABASE_URL') ? config.database.url : database.url },
    },
  };
}
