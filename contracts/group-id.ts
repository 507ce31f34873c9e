import type { Config } from './schemas/config.ts';

/** The consumer group in which the bridge of a pipeline reads. */
export function groupIdOf({ deployment, kafka }: Pick<Config, 'deployment' | 'kafka'>, pipeline: string): string {
  return `${kafka.groupPrefix}.${deployment}.${pipeline}`;
}
