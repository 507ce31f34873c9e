import { fileURLToPath } from 'node:url';
import type { DataConverter } from '@temporalio/common';
import { DefaultLogger, makeTelemetryFilterString, Runtime, Worker, type InjectedSinks } from '@temporalio/worker';
import type { History } from './history-json.ts';
import type { LocalCall, ReplaySinks } from './watch-run.ts';

const workflowsPath = fileURLToPath(new URL('../../workflows/index.ts', import.meta.url));
const watchRunPath = fileURLToPath(new URL('./watch-run.ts', import.meta.url));

/** What a replay found. */
export interface Verdict {
  replays: boolean;
  /** Why it does not: `diverged`, when today's code takes other steps than history holds; `failed`, when it throws something unexpected. */
  problem?: { kind: 'diverged' | 'failed'; message: string; eventId?: number };
}

export interface Replayed {
  verdict: Verdict;
  /** Calls of local activities up to where the replay came, by number. */
  localCalls: ReadonlyMap<number, LocalCall>;
}

let installed = false;

/** The SDK's own log would say everything twice; only its errors are let through. Once a process. */
function quietRuntime(): void {
  if (installed) return;
  installed = true;
  Runtime.install({ logger: new DefaultLogger('ERROR'), telemetryOptions: { logging: { filter: makeTelemetryFilterString({ core: 'ERROR', other: 'ERROR' }) } } });
}

/** Runs today's workflow code against a history, with every result taken from it: no activity runs. */
export async function replayHistory(history: History, { workflowId, dataConverter }: { workflowId?: string; dataConverter: DataConverter }): Promise<Replayed> {
  quietRuntime();
  const localCalls = new Map<number, LocalCall>();
  const sinks: InjectedSinks<ReplaySinks> = {
    replay: { localCall: { fn: (_, call) => void localCalls.set(call.seq, call), callDuringReplay: true } },
  };
  const options = { workflowsPath, dataConverter, sinks, interceptors: { workflowModules: [watchRunPath] } };
  try {
    await Worker.runReplayHistory(options, history, workflowId);
    return { verdict: { replays: true }, localCalls };
  } catch (error) {
    if (!(error instanceof Error) || !['DeterminismViolationError', 'ReplayError'].includes(error.name)) throw error;
    return { verdict: { replays: false, problem: problemOf(error, history) }, localCalls };
  }
}

function problemOf(error: Error, history: History): Verdict['problem'] {
  // The SDK hands on the debug form of the native part's failure; the innermost message is the one for people.
  const message = /message: "((?:[^"\\]|\\.)*)"/.exec(error.message)?.[1]?.replaceAll('\\"', '"') ?? error.message;
  const kind = error.name === 'DeterminismViolationError' || message.includes('Nondeterminism') ? 'diverged' : 'failed';
  return { kind, message, eventId: eventIdIn(message, history) };
}

/** The event that a message is about: some name it, others name the number of a local activity. */
function eventIdIn(message: string, history: History): number | undefined {
  const named = /HistoryEvent\(id: (\d+)/.exec(message)?.[1];
  if (named) return Number(named);
  const seq = /LocalActivity\((\d+)\)/.exec(message)?.[1];
  const marker = seq && history.events?.find((event) => {
    const data = event.markerRecordedEventAttributes?.details?.['data']?.payloads?.[0]?.data;
    return data && (JSON.parse(Buffer.from(data).toString()) as { seq?: number }).seq === Number(seq);
  });
  return marker ? Number(marker.eventId) : undefined;
}
