import type { AnyPipeline } from '../../contracts/pipeline.ts';
import type { Config } from '../../contracts/schemas/config.ts';
import { createAdmin } from '../../kafka/admin.ts';
import { connectKafka } from '../../kafka/connection.ts';
import { trimTopic } from '../../kafka/trim-topic.ts';
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

/** Once a minute deletes what the pipelines' topics hold of events that are done and too old, until aborted. */
export async function keepTrimmed({
  config,
  pipelines,
  retentionHours,
  signal,
  onError,
}: TrimmingOptions): Promise<void> {
  const trimAll = async () => {
    const admin = createAdmin(await connectKafka(config, createLogger('up', 'silent'), 'trim'));
    try {
      await admin.connect();
      // A minute sooner, because the next look is a minute away: events never outlive the runs that they became.
      const beforeMs = Date.now() - retentionHours * hourMs + intervalMs;
      for (const { name, topic } of pipelines) {
        const groupId = `${config.kafka.groupPrefix}.${config.deployment}.${name}`;
        await trimTopic(admin, { topic: topic.name, groupId, beforeMs });
      }
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
