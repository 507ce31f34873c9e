import { prepareKafka, preparePostgres, prepareTemporal } from '../../stack/servers/index.ts';
import type { OnProgress, PostgresBinaries } from '../../stack/servers/index.ts';
import type { Embedded } from './addresses.ts';

/** The programs of the embedded servers; undefined where an external one is used. */
export interface Programs {
  temporal?: string;
  kafkaJars?: string;
  postgres?: PostgresBinaries;
}

export interface PreparePrograms {
  embedded: Embedded;
  cacheDir: string;
  env: NodeJS.ProcessEnv;
  onProgress: OnProgress;
  signal?: AbortSignal;
}

/** Makes the programs of all embedded servers available, side by side. Quick when they are cached. */
export async function preparePrograms({ embedded, cacheDir, env, onProgress, signal }: PreparePrograms): Promise<Programs> {
  const options = { cacheDir, onProgress, signal };
  const [temporal, kafkaJars, postgres] = await Promise.all([
    embedded.temporal ? prepareTemporal({ ...options, env, executable: env['TEMPORAL_EXECUTABLE'] || undefined }) : undefined,
    embedded.kafka ? prepareKafka(options) : undefined,
    embedded.postgres ? preparePostgres(options) : undefined,
  ]);
  return { temporal, kafkaJars, postgres };
}
