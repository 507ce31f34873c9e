import type { Client } from '@temporalio/client';
import { defaultPayloadConverter, type Payload, type PayloadCodec } from '@temporalio/common';
import type { temporal } from '@temporalio/proto';
import { isFrame, decodeFrameHeader } from '../contracts/frame.ts';
import { decodeScored } from '../contracts/scored-frame.ts';

/** What a run recorded so far, read from its own history. */
export interface RunHistoryPort {
  read(workflowId: string, runId: string): Promise<RecordedRun>;
}

export interface RecordedRun {
  records: Uint8Array;
  features?: Uint8Array;
  decisions?: Uint8Array;
}

const deadlineMs = 10_000;

type HistoryEvent = temporal.api.history.v1.IHistoryEvent;

/** Reads what a batch run recorded back from its own history. */
export function createRunHistory(client: Client, codecs: readonly PayloadCodec[]): RunHistoryPort {
  return {
    async read(workflowId, runId) {
      const { events } = await client.withDeadline(Date.now() + deadlineMs, () =>
        client.workflow.getHandle(workflowId, runId).fetchHistory(),
      );
      return recordedRun(events ?? [], codecs);
    },
  };
}

/** The frames of a history, by their kind; of each kind the last one counts. */
export async function recordedRun(
  events: readonly HistoryEvent[],
  codecs: readonly PayloadCodec[],
): Promise<RecordedRun> {
  const run: Partial<RecordedRun> = {};
  for (const payload of events.flatMap(payloadsOf)) {
    const bytes = await frameOf(payload, codecs);
    if (!bytes) continue;
    const { kind } = decodeFrameHeader(bytes);
    if (kind === 'scored') Object.assign(run, decodeScored(bytes));
    else run[kind as keyof RecordedRun] = bytes;
  }
  if (!run.records) throw new Error('the history begins with no records frame');
  return run as RecordedRun;
}

/** Where a batch's history can hold a frame: its input, results of local activities (markers), and results of regular ones. */
function payloadsOf(event: HistoryEvent): Payload[] {
  const holders = [
    event.workflowExecutionStartedEventAttributes?.input,
    event.activityTaskCompletedEventAttributes?.result,
    ...Object.values(event.markerRecordedEventAttributes?.details ?? {}),
  ];
  return holders.flatMap((holder) => holder?.payloads ?? []) as Payload[];
}

async function frameOf(payload: Payload, codecs: readonly PayloadCodec[]): Promise<Uint8Array | undefined> {
  let decoded = payload;
  for (const codec of [...codecs].reverse()) [decoded] = (await codec.decode([decoded])) as [Payload];
  if (!decoded.data?.length) return undefined;
  const value: unknown = defaultPayloadConverter.fromPayload(decoded);
  return value instanceof Uint8Array && isFrame(value) ? value : undefined;
}
