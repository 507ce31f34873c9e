import { messageOf } from '../../contracts/failures.ts';
import { proxyVariablesOf } from '../../lib/proxies.ts';
import { prepareKafka, preparePostgres, prepareTemporal } from '@headrace/stack/servers';
import type { OnProgress, PostgresBinaries } from '@headrace/stack/servers';
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
export async function preparePrograms({
  embedded,
  cacheDir,
  env,
  onProgress,
  signal,
}: PreparePrograms): Promise<Programs> {
  const options = { cacheDir, onProgress, signal };
  const [temporal, kafkaJars, postgres] = await Promise.all([
    embedded.temporal
      ? prepareTemporal({ ...options, env, executable: env['TEMPORAL_EXECUTABLE'] || undefined })
      : undefined,
    embedded.kafka ? prepareKafka(options) : undefined,
    embedded.postgres ? preparePostgres(options) : undefined,
  ]).catch((error: unknown) => {
    const proxies = proxyVariablesOf(env);
    if (proxies.length === 0 || signal?.aborted) throw error;
    throw new Error(
      `${messageOf(error)}\n${proxies.join(', ')} may not be used by what downloads: Maven reads a proxy from its settings.xml or MAVEN_OPTS only, Node from https_proxy with NODE_USE_ENV_PROXY=1 from version 24 on, Go from https_proxy`,
      { cause: error },
    );
  });
  return { temporal, kafkaJars, postgres };
}
