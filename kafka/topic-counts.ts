import type { Admin } from 'kafkajs';
import { messageOf } from '../contracts/failures.ts';
import { deadLettersTopic } from '../contracts/names.ts';
import { withTimeout } from '../lib/with-timeout.ts';
import type { LogReader } from './log-reader.ts';

/** How many a pipeline has; without a count it is not known, for this reason. */
export interface PipelineCount {
  pipeline: string;
  count?: number;
  reason?: string;
}

/** Shorter than whoever asks waits for all of them. */
const deadlineMs = 1_500;

/**
 * How many dead letters each pipeline's topic holds: its end offsets less its start offsets. A topic that does not exist holds
 * none; asking for its offsets would only be retried for seconds, so the list of topics is asked first.
 */
export async function countDeadLetters(
  { admin, logs }: { admin: Pick<Admin, 'listTopics'>; logs: Pick<LogReader, 'ends'> },
  pipelines: readonly string[],
): Promise<PipelineCount[]> {
  const topics = new Set(await admin.listTopics());
  return Promise.all(
    pipelines.map(async (pipeline) => {
      const topic = deadLettersTopic(pipeline);
      try {
        return { pipeline, count: topics.has(topic) ? await withTimeout(deadlineMs, countRecords(logs, topic)) : 0 };
      } catch (error) {
        return { pipeline, reason: messageOf(error) };
      }
    }),
  );
}

async function countRecords(logs: Pick<LogReader, 'ends'>, topic: string): Promise<number> {
  let count = 0;
  for (const ends of (await logs.ends(topic)).values()) {
    if (ends instanceof Error) throw ends;
    count += ends.highWatermark - ends.start;
  }
  return count;
}
