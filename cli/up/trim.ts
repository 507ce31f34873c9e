import type { AnyPipeline } from '../../contracts/pipeline.ts';
import type { Config } from '../../contracts/schemas/config.ts';
import { groupIdOf } from '../../contracts/group-id.ts';
import { createAdmin } from '../../kafka/admin.ts';
import { connectKafka } from '../../kafka/connection.ts';
import { createLogReader } from '../../kafka/log-reader.ts';
import { TopicTrimmer } from '../../kafka/trim-topic.ts';
import { createLogger } from '../../lib/log.ts';
import { sleep } from '../../lib/sleep.ts';

const minuteMs = 60_000;
const hourMs = 3_600_000;

export interface TrimmingOptions {
  config: Config;
  pipelines: readonly AnyPipeline[];
  retentionHours: number;
  /** @default 60000 */
  intervalMs?: number;
  signal: AbortSignal;
  /** Told once when looks begin to fail; the next one follows. */
  onError: (error: unknown) => void;
}

/** Once a minute deletes what the pipelines' topics hold of events that were done so long ago, until aborted. */
export async function keepTrimmed({
  config,
  pipelines,
  retentionHours,
  intervalMs = minuteMs,
  signal,
  onError,
}: TrimmingOptions): Promise<void> {
  // A look sooner, because the next one comes that much later: events do not outlive the runs that they became.
  const keepMs = retentionHours * hourMs - intervalMs;
  // Pipelines may share a topic, and what one of them has not decided stays.
  const topics = [...new Set(pipelines.map(({ topic }) => topic.name))];
  const trimmers = topics.map((topic) => {
    const readers = pipelines.filter((pipeline) => pipeline.topic.name === topic);
    return new TopicTrimmer(
      topic,
      readers.map(({ name }) => groupIdOf(config, name)),
      keepMs,
    );
  });
  const trimAll = async () => {
    const kafka = await connectKafka(config, createLogger('up', 'silent'), 'trim');
    const [admin, logs] = [createAdmin(kafka), createLogReader(kafka)];
    try {
      await Promise.all([admin.connect(), logs.connect()]);
      for (const trimmer of trimmers) await trimmer.look({ admin, logs }, performance.now());
    } finally {
      await Promise.allSettled([admin.disconnect(), logs.close()]);
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
