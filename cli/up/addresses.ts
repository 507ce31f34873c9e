import { choosePort, freePort } from '@headrace/stack/servers';

/** Which servers are ours to start; the others have an address in the environment. */
export interface Embedded {
  temporal: boolean;
  kafka: boolean;
  postgres: boolean;
  modelServer: boolean;
}

/** The ports of one run. Chosen before anything starts, so that a restart comes up where its clients look. */
export interface Ports {
  temporal: number;
  temporalUi: number;
  kafka: number;
  postgres: number;
  modelServer: number;
  gateway: number;
  /** Metrics of each process of ours. */
  metrics: Record<ProcessName, number>;
}

/** Ports of embedded servers. */
export type ServerPort = 'temporal' | 'temporalUi' | 'kafka' | 'postgres' | 'modelServer';

/** Our own processes. */
const processNames = ['worker', 'bridge', 'gateway', 'generator'] as const;
export type ProcessName = (typeof processNames)[number];

const preferred = {
  temporal: 7233,
  temporalUi: 8233,
  kafka: 9092,
  postgres: 5432,
  modelServer: 8001,
  gateway: 8000,
} as const;

const setting: Record<keyof Embedded, string> = {
  temporal: 'TEMPORAL_ADDRESS',
  kafka: 'KAFKA_BROKERS',
  postgres: 'DATABASE_URL',
  modelServer: 'TRITON_URL',
};

/** What each port is for, as people say it. */
export const portUses: Record<keyof typeof preferred, string> = {
  temporal: 'Temporal',
  temporalUi: 'the Temporal Web UI',
  kafka: 'Kafka',
  postgres: 'Postgres',
  modelServer: 'the model server',
  gateway: 'the gateway',
};

/** An address in the environment switches the embedded server off. */
export function embeddedServers(env: NodeJS.ProcessEnv): Embedded {
  const isEmbedded = (name: keyof Embedded): boolean => (env[setting[name]] ?? '') === '';
  return {
    temporal: isEmbedded('temporal'),
    kafka: isEmbedded('kafka'),
    postgres: isEmbedded('postgres'),
    modelServer: isEmbedded('modelServer'),
  };
}

export interface PortOptions {
  embedded: Embedded;
  /** The port wished for the gateway. */
  gatewayPort: number | undefined;
  /** Takes free ports only. */
  anyFree: boolean;
  /** Told the use, the taken port and what replaces it. */
  onReplaced: (use: string, taken: number, chosen: number) => void;
}

/** Chooses all ports, the usual ones where they are free. */
export async function choosePorts({ embedded, gatewayPort, anyFree, onReplaced }: PortOptions): Promise<Ports> {
  const wanted = { ...preferred, gateway: gatewayPort ?? preferred.gateway };
  const choose = async (use: keyof typeof preferred, needed: boolean): Promise<number> => {
    if (!needed) return wanted[use];
    if (anyFree) return freePort();
    const chosen = await choosePort(wanted[use]);
    if (chosen !== wanted[use] && wanted[use] !== 0) onReplaced(portUses[use], wanted[use], chosen);
    return chosen;
  };
  return {
    temporal: await choose('temporal', embedded.temporal),
    temporalUi: await choose('temporalUi', embedded.temporal),
    kafka: await choose('kafka', embedded.kafka),
    postgres: await choose('postgres', embedded.postgres),
    modelServer: await choose('modelServer', embedded.modelServer),
    gateway: await choose('gateway', true),
    metrics: {
      worker: await freePort(),
      bridge: await freePort(),
      gateway: await freePort(),
      generator: await freePort(),
    },
  };
}
