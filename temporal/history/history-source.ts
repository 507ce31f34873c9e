import { readFileSync, statSync } from 'node:fs';
import { status } from '@grpc/grpc-js';
import { isGrpcServiceError } from '@temporalio/client';
import { batchWorkflowId, parseBatchId } from '../../contracts/event-key.ts';
import { messageOf } from '../../contracts/failures.ts';
import { workflowNames } from '../../contracts/names.ts';
import type { Config } from '../../contracts/schemas/config.ts';
import { connectTemporal } from '../connection.ts';
import { historyFromJson, type History } from './history-json.ts';

/** A history, and the workflow id as far as it is known: old servers do not write it into the history. */
export interface Recorded {
  history: History;
  workflowId?: string;
}

const fetchTimeoutMs = 30_000;
const fileBytesMax = 256 * 1024 * 1024;

/** True when this names a file: one that exists, or something that can only be meant as one. */
export function isFileName(text: string): boolean {
  return statSync(text, { throwIfNoEntry: false }) !== undefined || /[/\\]|\.json$/.test(text);
}

/**
 * Reads an exported history: what `temporal workflow show --output json`, the download of the Web UI and the SDK write. Throws one
 * sentence that says what the file is instead.
 */
export function readHistoryFile(file: string): Recorded {
  const json = readJson(file) as { events?: Record<string, unknown>[] };
  if (typeof json !== 'object' || json === null || !Array.isArray(json.events) || json.events.length === 0) {
    throw new Error(
      `${file} is no workflow history: it has no list "events"; export one with: temporal workflow show --workflow-id ID --output json`,
    );
  }
  let history: History;
  try {
    history = historyFromJson({ events: json.events.map(withLongEventType) });
  } catch (error) {
    throw new Error(
      `${file} cannot be read as a raw history (${messageOf(error)}); export it raw, with payloads as they are stored`,
      { cause: error },
    );
  }
  const started = checkEvents(history, file);
  return { history, workflowId: started.workflowId || undefined };
}

/** Fetches the history of a run; a batch may be named without its `batch:`. Throws one sentence when there is none. */
export async function fetchHistory(id: string, runId: string | undefined, config: Config): Promise<Recorded> {
  const workflowId = withPrefix(id);
  const { address, namespace } = config.temporal;
  const where = `namespace "${namespace}" of Temporal at ${address}`;
  const client = await connectTemporal(config);
  try {
    const history = await client.withDeadline(Date.now() + fetchTimeoutMs, () =>
      client.workflow.getHandle(workflowId, runId).fetchHistory(),
    );
    checkEvents(history, `workflow "${workflowId}"`);
    return { history, workflowId };
  } catch (error) {
    if (!isGrpcServiceError(error)) throw error;
    if (error.code !== status.NOT_FOUND)
      throw new Error(`the history of "${workflowId}" cannot be read from ${where}: ${error.details}`, {
        cause: error,
      });
    if (/^namespace /i.test(error.details))
      throw new Error(`there is no ${where}; check TEMPORAL_NAMESPACE`, { cause: error });
    const run = runId ? ` with run id "${runId}"` : '';
    throw new Error(
      `there is no workflow "${workflowId}"${run} in ${where}, or it is older than the namespace's retention; check the id, TEMPORAL_ADDRESS and TEMPORAL_NAMESPACE`,
      { cause: error },
    );
  } finally {
    await client.connection.close();
  }
}

function readJson(file: string): unknown {
  let text: string;
  try {
    const { size } = statSync(file);
    if (size > fileBytesMax) throw new Error(`it has ${size} bytes, more than ${fileBytesMax}`);
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw new Error(`${file} cannot be read (${messageOf(error)})`, { cause: error });
  }
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Error(`${file} is no JSON (${messageOf(error)})`, { cause: error });
  }
}

/** Older tools write `TimerFired` for `EVENT_TYPE_TIMER_FIRED`. */
function withLongEventType(event: Record<string, unknown>): Record<string, unknown> {
  const type = event?.['eventType'];
  if (typeof type !== 'string' || type.startsWith('EVENT_TYPE_')) return event;
  return { ...event, eventType: `EVENT_TYPE_${type.replaceAll(/(?<=[a-z])(?=[A-Z])/g, '_').toUpperCase()}` };
}

/** A history has all of its events from the start of a workflow of ours. Returns what the first one says. */
function checkEvents({ events }: History, what: string) {
  const started = events?.[0]?.workflowExecutionStartedEventAttributes;
  if (!started) throw new Error(`${what} does not begin with the start of a workflow: export the whole history`);
  events!.forEach(({ eventId, eventType }, i) => {
    if (Number(eventId) !== i + 1) throw new Error(`${what} is not complete: event ${i + 1} is missing`);
    if (!eventType) throw new Error(`${what} has an event ${i + 1} of a type that this version does not know`);
  });
  const type = started.workflowType?.name ?? '';
  const ours: string[] = Object.values(workflowNames);
  if (!ours.includes(type))
    throw new Error(`${what} is the history of a workflow "${type}", which is none of Headrace's: ${ours.join(', ')}`);
  const encodings = (started.input?.payloads ?? []).map(({ metadata }) =>
    Buffer.from(metadata?.['encoding'] ?? []).toString(),
  );
  if (encodings.includes('') || (type === workflowNames.processBatch && encodings[1] === 'json/plain')) {
    throw new Error(
      `${what} was decoded when it was exported, so its payloads are text for people; export it raw: without --codec-endpoint, in the Web UI as "encoded"`,
    );
  }
  return started;
}

function withPrefix(idOrPart: string): string {
  // As it stands in the address of a page of the Web UI, and in the links that the API gives.
  const id = idOrPart.replaceAll(/%3A/gi, ':');
  try {
    const batch = parseBatchId(`batch:${id}`);
    return batchWorkflowId(batch, batch.sequence);
  } catch {
    return id;
  }
}
