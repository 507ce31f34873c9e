import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';

export interface FeedOptions {
  file: string;
  gatewayUrl: string;
  pipeline: string;
  /** Events per second; absent = as fast as they are taken. */
  rate?: number;
  /** Told each line that was refused, counted from 1, and why. */
  onRefused: (line: number, reason: string) => void;
  onProgress: (progress: FeedProgress) => void;
  signal: AbortSignal;
}

export interface FeedProgress {
  accepted: number;
  refused: number;
}

interface Line {
  number: number;
  text: string;
}

/** What the gateway takes in one request. */
const linesMax = 500;
const bytesMax = 700_000;
const requestTimeoutMs = 30_000;
/** The gateway answers 503 while Kafka is away; beyond this many tries in a row (about five minutes) the feed gives up. */
const attemptsMax = 150;

interface ProblemBody {
  detail?: string;
  errors?: { index?: number; reason: string }[];
}

async function post({ gatewayUrl, pipeline, signal }: FeedOptions, lines: readonly Line[]): Promise<{ status: number; problem: ProblemBody }> {
  const response = await fetch(`${gatewayUrl}/v1/pipelines/${encodeURIComponent(pipeline)}/events`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: `[${lines.map(({ text }) => text).join(',')}]`,
    signal: AbortSignal.any([signal, AbortSignal.timeout(requestTimeoutMs)]),
  });
  const text = await response.text();
  return { status: response.status, problem: response.ok ? {} : (JSON.parse(text) as ProblemBody) };
}

/** Sends again what the gateway could not take just now. Every event has an id, so what arrives twice counts once. */
async function postUntilTaken(options: FeedOptions, lines: readonly Line[]): Promise<{ status: number; problem: ProblemBody }> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      const answer = await post(options, lines);
      if (answer.status !== 503 && answer.status !== 429) return answer;
      if (attempt >= attemptsMax) throw new Error(`${options.gatewayUrl} does not take events: ${answer.problem.detail ?? answer.status}`);
    } catch (error) {
      options.signal.throwIfAborted();
      if (attempt >= attemptsMax) throw error;
    }
    await delay(Math.min(2_000, 100 * attempt), undefined, { signal: options.signal });
  }
}

/** Sends lines and reports the refused ones; answers how many were taken. The gateway takes all lines of a request or none. */
async function sendLines(options: FeedOptions, lines: readonly Line[]): Promise<number> {
  if (lines.length === 0) return 0;
  const { status, problem } = await postUntilTaken(options, lines);
  if (status < 300) return lines.length;
  if (status === 404) throw new Error(problem.detail ?? `the gateway knows no pipeline ${options.pipeline}`);
  const refused = new Map((problem.errors ?? []).flatMap(({ index, reason }) => (index === undefined ? [] : [[index, reason] as const])));
  if (refused.size === 0) {
    if (lines.length > 1) {
      // Too large as a whole, or a fault the gateway does not pin on a line: halves find it.
      const middle = Math.ceil(lines.length / 2);
      return (await sendLines(options, lines.slice(0, middle))) + (await sendLines(options, lines.slice(middle)));
    }
    refused.set(0, problem.detail ?? `status ${status}`);
  }
  lines.forEach((line, index) => {
    const reason = refused.get(index);
    if (reason !== undefined) options.onRefused(line.number, reason);
  });
  return sendLines(options, lines.filter((_, index) => !refused.has(index)));
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** Feeds a file of JSON lines through the gateway, which checks them. Blank lines are skipped. Rejects when the file or the gateway fails. */
export async function feedFile(options: FeedOptions): Promise<FeedProgress> {
  const startedAt = Date.now();
  const progress: FeedProgress = { accepted: 0, refused: 0 };
  const reporting: FeedOptions = {
    ...options,
    onRefused: (line, reason) => {
      progress.refused += 1;
      options.onRefused(line, reason);
    },
  };
  let pending: Line[] = [];
  let pendingBytes = 0;
  const groupMax = options.rate === undefined ? linesMax : Math.max(1, Math.min(linesMax, Math.round(options.rate / 10)));
  const flush = async (): Promise<void> => {
    const lines = pending;
    pending = [];
    pendingBytes = 0;
    progress.accepted += await sendLines(reporting, lines);
    options.onProgress({ ...progress });
    const dueMs = options.rate === undefined ? 0 : startedAt + (progress.accepted / options.rate) * 1_000 - Date.now();
    if (dueMs > 0) await delay(dueMs, undefined, { signal: options.signal });
  };
  let number = 0;
  for await (const text of createInterface({ input: createReadStream(options.file), crlfDelay: Infinity })) {
    options.signal.throwIfAborted();
    number += 1;
    if (text.trim() === '') continue;
    if (!isJson(text)) reporting.onRefused(number, 'not JSON');
    else {
      if (pendingBytes + text.length > bytesMax) await flush();
      pending.push({ number, text });
      pendingBytes += Buffer.byteLength(text);
      if (pending.length >= groupMax) await flush();
    }
  }
  await flush();
  return progress;
}
