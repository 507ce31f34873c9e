import type { AnyPipeline } from '../../contracts/pipeline.ts';
import type { Config } from '../../contracts/schemas/config.ts';
import { createAdmin } from '../../kafka/admin.ts';
import { connectKafka } from '../../kafka/connection.ts';
import { TopicTrimmer } from '../../kafka/trim-topic.ts';
import { createLogger } from '../../lib/log.ts';
import { sleep } from '../../lib/sleep.ts';

const intervalMs = 60_000;
const hourMs = 3_600_000;

export interface TrimmingOptions {
  config: Config;
  pipelines: readonly AnyPipeline[];
  retentionHours: number;
  signal: AbortSignal;
  /** Told once when looks begin to fail; the next one follows. */
  onError: (error: unknown) => void;
}

/** Once a minute deletes what the pipelines' topics hold of events that were done so long ago, until aborted. */
export async function keepTrimmed({
  config,
  pipelines,
  retentionHours,
  signal,
  onError,
}: TrimmingOptions): Promise<void> {
  // A minute sooner, because the next look is a minute away: events do not outlive the runs that they became.
  const keepMs = retentionHours * hourMs - intervalMs;
  const trimmers = pipelines.map(
    ({ name, topic }) =>
      new TopicTrimmer(topic.name, `${config.kafka.groupPrefix}.${config.deployment}.${name}`, keepMs),
  );
  const trimAll = async () => {
    const admin = createAdmin(await connectKafka(config, createLogger('up', 'silent'), 'trim'));
    try {
      await admin.connect();
      for (const trimmer of trimmers) await trimmer.look(admin, performance.now());
    } finally {
      await admin.disconnect().catch(() => undefined);
    }
  };
  let failed = false;
  while (!signal.aborted) {
    try {
      await trimAll();
      failed = false;
    } catch (error) {
      if (!failed && !signal.aborted) onError(error);
      failed = true;
    }
    await sleep(intervalMs, signal);
  }
}
