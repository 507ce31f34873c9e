import { setTimeout as delay } from 'node:timers/promises';

export interface SubmitOptions {
  gatewayUrl: string;
  pipeline: string;
  /** One JSON event per line; blank ones are skipped, but count. */
  lines: AsyncIterable<string>;
  signal: AbortSignal;
  /** Told each line that was refused, in the order of the lines. */
  onRefused: (refusal: Refusal) => void;
  /** Told after each request's worth of lines how many of them were accepted. */
  onAccepted?: (count: number) => void;
  /** Told why, when the gateway has not taken a request at the first try. */
  onWaiting?: (reason: string) => void;
  /** Lines that are sent together, at most 500. Fewer for a source that is slow on purpose. @default 500 */
  linesMax?: number;
  /** Tries of one request while the gateway is away or busy. @default 30 (about half a minute) */
  triesMax?: number;
}

export interface Refusal {
  /** Counted from 1. */
  line: number;
  code: string;
  reason: string;
}

interface Line {
  number: number;
  text: string;
}

interface ProblemBody {
  detail?: string;
  errors?: { index?: number; code?: string; reason: string }[];
}

/** Thrown when the gateway does not answer, or cannot take events, try after try. */
export class GatewayAwayError extends Error {
  override name = 'GatewayAwayError';
}

/** What the gateway takes in one request. */
const requestLinesMax = 500;
const bytesMax = 700_000;
const requestTimeoutMs = 30_000;
const retryDelayMsMax = 1_000;

/**
 * Sends lines through the gateway, in their order, and answers how many were accepted. The gateway takes all events of a request or
 * none: refused lines are reported and the rest is sent again. Rejects with {@link GatewayAwayError} when the gateway cannot be
 * reached, and with the gateway's words when it knows no such pipeline.
 */
export async function submitLines(options: SubmitOptions): Promise<number> {
  const { lines, linesMax = requestLinesMax, onRefused, onAccepted } = options;
  let accepted = 0;
  for await (const group of groups(lines, Math.min(linesMax, requestLinesMax))) {
    options.signal.throwIfAborted();
    const refusals: Refusal[] = [];
    const refuse = (refusal: Refusal): void => void refusals.push(refusal);
    let count = 0;
    try {
      const good = group.filter((line) => {
        const isGood = isJson(line);
        if (!isGood) refuse({ line: line.number, code: 'NOT_JSON', reason: 'the line is no JSON text' });
        return isGood;
      });
      count = await send(options, good, refuse);
    } finally {
      // Requests are split and sent again, so lines are refused in another order than they stand in.
      for (const refusal of refusals.sort((a, b) => a.line - b.line)) onRefused(refusal);
    }
    accepted += count;
    onAccepted?.(count);
  }
  return accepted;
}

async function* groups(lines: AsyncIterable<string>, linesMax: number): AsyncGenerator<Line[]> {
  let group: Line[] = [];
  let bytes = 0;
  let number = 0;
  for await (const text of lines) {
    number += 1;
    if (text.trim() === '') continue;
    const size = Buffer.byteLength(text) + 1;
    if (group.length > 0 && bytes + size > bytesMax) {
      yield group;
      group = [];
      bytes = 0;
    }
    group.push({ number, text });
    bytes += size;
    if (group.length < linesMax) continue;
    yield group;
    group = [];
    bytes = 0;
  }
  if (group.length > 0) yield group;
}

async function send(options: SubmitOptions, lines: readonly Line[], refuse: (refusal: Refusal) => void): Promise<number> {
  if (lines.length === 0) return 0;
  const { status, problem } = await postUntilAnswered(options, lines);
  if (status === 202) return lines.length;
  const detail = problem.detail ?? `status ${status}`;
  if (status === 413 && lines.length === 1) {
    refuse({ line: lines[0]!.number, code: 'RECORD_TOO_LARGE', reason: detail });
    return 0;
  }
  if (status === 413) {
    const middle = Math.ceil(lines.length / 2);
    return (await send(options, lines.slice(0, middle), refuse)) + (await send(options, lines.slice(middle), refuse));
  }
  const refused = new Map((problem.errors ?? []).map((error) => [error.index, error]));
  const rest = lines.filter((_, index) => !refused.has(index));
  // Each round must refuse something, or it would never end.
  if (rest.length === lines.length) throw new Error(`the gateway does not take the events: ${detail}`);
  lines.forEach(({ number }, index) => {
    const error = refused.get(index);
    if (error) refuse({ line: number, code: error.code ?? 'REFUSED', reason: error.reason });
  });
  return send(options, rest, refuse);
}

/** Waits for a gateway that is away or busy. Events have ids, so one that arrives twice is known. */
async function postUntilAnswered(options: SubmitOptions, lines: readonly Line[]): Promise<{ status: number; problem: ProblemBody }> {
  const { gatewayUrl, signal, triesMax = 30, onWaiting } = options;
  for (let tries = 1; ; tries += 1) {
    let reason: string;
    try {
      const answer = await post(options, lines);
      if (answer.status < 500 && answer.status !== 429) return answer;
      reason = answer.problem.detail ?? `status ${answer.status}`;
    } catch (error) {
      signal.throwIfAborted();
      reason = error instanceof Error && error.cause instanceof Error ? error.cause.message : String(error);
    }
    if (tries >= triesMax) throw new GatewayAwayError(`no gateway takes events at ${gatewayUrl} (${reason})`);
    if (tries === 1) onWaiting?.(reason);
    await delay(Math.min(retryDelayMsMax, 100 * tries), undefined, { signal });
  }
}

async function post({ gatewayUrl, pipeline, signal }: SubmitOptions, lines: readonly Line[]): Promise<{ status: number; problem: ProblemBody }> {
  const response = await fetch(`${gatewayUrl}/v1/pipelines/${encodeURIComponent(pipeline)}/events`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: `[${lines.map(({ text }) => text).join(',')}]`,
    signal: AbortSignal.any([signal, AbortSignal.timeout(requestTimeoutMs)]),
  });
  const text = await response.text();
  return { status: response.status, problem: response.ok ? {} : problemOf(text) };
}

/** Something between us and the gateway may answer in its own words. */
function problemOf(text: string): ProblemBody {
  try {
    return JSON.parse(text) as ProblemBody;
  } catch {
    return { detail: text.slice(0, 200) };
  }
}

function isJson({ text }: Line): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
