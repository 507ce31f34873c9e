import { isUtf8 } from 'node:buffer';
import { setTimeout as sleep } from 'node:timers/promises';
import { fetchFailure } from '../contracts/failures.ts';
import { isJson } from '../lib/json-text.ts';
import type { EventPiece, EventPlace } from './events/piece.ts';
import { submitting } from '../contracts/timeouts.ts';

export interface SubmitOptions {
  gatewayUrl: string;
  pipeline: string;
  pieces: AsyncIterable<EventPiece>;
  /** Each is a CloudEvent, whose data is the event. */
  cloudEvents?: boolean;
  signal: AbortSignal;
  /** Told each event that was refused, in their order. */
  onRefused: (refusal: Refusal) => void;
  /** Told after each request's worth of events how many of them were accepted. */
  onAccepted?: (count: number) => void;
  /** Told why, when the gateway has not taken a request at the first try. */
  onWaiting?: (reason: string) => void;
  /** Events that are sent together, at most 500. Fewer for a source that is slow on purpose. @default 500 */
  eventsMax?: number;
  /** Waited for before each request, with the number of events that were accepted so far. */
  pace?: (accepted: number) => Promise<void>;
  /** Tries of one request while the gateway is away or busy. @default 30 (about half a minute) */
  triesMax?: number;
}

export interface Refusal extends EventPlace {
  code: string;
  reason: string;
}

type Sendable = EventPlace & { bytes: Buffer };

interface ProblemBody {
  detail?: string;
  errors?: { index?: number; code?: string; reason: string }[];
}

/** Thrown when the gateway does not answer, or cannot take events, try after try. */
export class GatewayAwayError extends Error {
  override name = 'GatewayAwayError';
}

/** What the gateway takes in one request. */
const requestEventsMax = 500;
const bytesMax = 700_000;
const retryDelayMsMax = 1_000;
const [opening, comma, closing] = ['[', ',', ']'].map((text) => Buffer.from(text)) as [Buffer, Buffer, Buffer];

/**
 * Sends events through the gateway, in their order and byte for byte, and returns how many were accepted. The gateway takes all events
 * of a request or none: refused ones are reported and the rest is sent again. Rejects with {@link GatewayAwayError} when the gateway
 * cannot be reached, and with the gateway's words when it knows no such pipeline.
 */
export async function submitEvents(options: SubmitOptions): Promise<number> {
  const { pieces, eventsMax = requestEventsMax, onRefused, onAccepted, pace } = options;
  let accepted = 0;
  for await (const group of groups(pieces, Math.min(eventsMax, requestEventsMax))) {
    options.signal.throwIfAborted();
    await pace?.(accepted);
    const refusals: Refusal[] = [];
    const refuse = (refusal: Refusal): void => void refusals.push(refusal);
    let count = 0;
    try {
      count = await send(
        options,
        group.filter((piece) => isSendable(piece, refuse)),
        refuse,
      );
    } finally {
      // Requests are split and sent again, so events are refused in another order than they stand in.
      for (const refusal of refusals.sort((a, b) => (a.event ?? a.line) - (b.event ?? b.line))) onRefused(refusal);
    }
    accepted += count;
    onAccepted?.(count);
  }
  return accepted;
}

async function* groups(pieces: AsyncIterable<EventPiece>, eventsMax: number): AsyncGenerator<EventPiece[]> {
  let group: EventPiece[] = [];
  let bytes = 0;
  for await (const piece of pieces) {
    const size = 'bytes' in piece ? piece.bytes.length + 1 : 0;
    if (group.length > 0 && bytes + size > bytesMax) {
      yield group;
      group = [];
      bytes = 0;
    }
    group.push(piece);
    bytes += size;
    if (group.length < eventsMax) continue;
    yield group;
    group = [];
    bytes = 0;
  }
  if (group.length > 0) yield group;
}

/** Only JSON may go between the brackets of a request: anything else would make a wreck of its neighbours. */
function isSendable(piece: EventPiece, refuse: (refusal: Refusal) => void): piece is Sendable {
  if ('code' in piece) {
    refuse(piece);
    return false;
  }
  const what = piece.event === undefined ? 'the line' : 'the event';
  const reason = isUtf8(piece.bytes)
    ? isJson(piece.bytes.toString())
      ? undefined
      : `${what} is no JSON text`
    : `${what} is not UTF-8; save the file in UTF-8`;
  if (reason !== undefined) refuse({ ...placeOf(piece), code: 'NOT_JSON', reason });
  return reason === undefined;
}

async function send(
  options: SubmitOptions,
  events: readonly Sendable[],
  refuse: (refusal: Refusal) => void,
): Promise<number> {
  if (events.length === 0) return 0;
  const { status, problem } = await postUntilAnswered(options, events);
  if (status === 202) return events.length;
  const detail = problem.detail ?? `status ${status}`;
  if (status === 413 && events.length === 1) {
    refuse({ ...placeOf(events[0]!), code: 'RECORD_TOO_LARGE', reason: detail });
    return 0;
  }
  if (status === 413) {
    const middle = Math.ceil(events.length / 2);
    return (await send(options, events.slice(0, middle), refuse)) + (await send(options, events.slice(middle), refuse));
  }
  const refused = new Map((problem.errors ?? []).map((error) => [error.index, error]));
  const rest = events.filter((_, index) => !refused.has(index));
  // Each round must refuse something, or it would never end.
  if (rest.length === events.length) throw new Error(`the gateway does not take the events: ${detail}`);
  events.forEach((event, index) => {
    const error = refused.get(index);
    if (error) refuse({ ...placeOf(event), code: error.code ?? 'REFUSED', reason: error.reason });
  });
  return send(options, rest, refuse);
}

function placeOf({ line, event }: EventPlace): EventPlace {
  return event === undefined ? { line } : { line, event };
}

/** Waits for a gateway that is away or busy. Events have ids, so one that arrives twice is known. */
async function postUntilAnswered(
  options: SubmitOptions,
  events: readonly Sendable[],
): Promise<{ status: number; problem: ProblemBody }> {
  const { gatewayUrl, signal, triesMax = 30, onWaiting } = options;
  for (let tries = 1; ; tries += 1) {
    let reason: string;
    try {
      const answer = await post(options, events);
      if (answer.status < 500 && answer.status !== 429) return answer;
      reason = answer.problem.detail ?? `status ${answer.status}`;
    } catch (error) {
      signal.throwIfAborted();
      reason = fetchFailure(error);
    }
    if (tries >= triesMax) throw new GatewayAwayError(`no gateway takes events at ${gatewayUrl} (${reason})`);
    if (tries === 1) onWaiting?.(reason);
    await sleep(Math.min(retryDelayMsMax, 100 * tries), undefined, { signal });
  }
}

async function post(
  { gatewayUrl, pipeline, cloudEvents, signal }: SubmitOptions,
  events: readonly Sendable[],
): Promise<{ status: number; problem: ProblemBody }> {
  const response = await fetch(`${gatewayUrl}/v1/pipelines/${encodeURIComponent(pipeline)}/events`, {
    method: 'POST',
    headers: { 'content-type': cloudEvents ? 'application/cloudevents-batch+json' : 'application/json' },
    body: Buffer.concat([opening, ...events.flatMap(({ bytes }, i) => (i === 0 ? [bytes] : [comma, bytes])), closing]),
    signal: AbortSignal.any([signal, AbortSignal.timeout(submitting.askerMs)]),
  });
  const text = await response.text();
  return { status: response.status, problem: response.ok ? {} : problemOf(text) };
}

/** Something between us and the gateway may answer in its own words. */
function problemOf(text: string): ProblemBody {
  try {
    return (JSON.parse(text) as ProblemBody | null) ?? {};
  } catch {
    return { detail: text.slice(0, 200) };
  }
}
