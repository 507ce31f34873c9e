import { fileURLToPath } from 'node:url';
import { IllegalStateError, type DataConverter } from '@temporalio/common';
import {
  bundleWorkflowCode,
  DefaultLogger,
  makeTelemetryFilterString,
  Runtime,
  Worker,
  type InjectedSinks,
  type WorkflowBundleWithSourceMap,
} from '@temporalio/worker';
import { preloadModules, workflowsPath } from '../workflow-bundle.ts';
import { localMarkerOf, type History, type HistoryEvent } from './history-json.ts';
import type { Call, ReplaySinks } from './watch-run.ts';

const watchRunPath = fileURLToPath(new URL('./watch-run.ts', import.meta.url));

/** What a replay found. */
export interface Verdict {
  replays: boolean;
  /** Why it does not: `diverged`, when today's code takes other steps than history holds; `failed`, when it throws something unexpected. */
  problem?: { kind: 'diverged' | 'failed'; message: string; eventId?: number };
}

export interface Replayed {
  verdict: Verdict;
  /** Calls of activities up to where the replay came, by number. */
  calls: ReadonlyMap<number, Call>;
}

let installed = false;
let bundle: Promise<WorkflowBundleWithSourceMap> | undefined;

/** The SDK's own log would say everything twice; only its errors are let through. Once a process. */
function quietRuntime(): void {
  if (installed) return;
  installed = true;
  try {
    Runtime.install({
      logger: new DefaultLogger('ERROR'),
      telemetryOptions: { logging: { filter: makeTelemetryFilterString({ core: 'ERROR', other: 'ERROR' }) } },
    });
  } catch (error) {
    // Whoever set the SDK up before in this process keeps that.
    if (!(error instanceof IllegalStateError)) throw error;
  }
}

/** Runs today's workflow code against a history, with every result taken from it: no activity runs. */
export async function replayHistory(
  history: History,
  { workflowId, dataConverter }: { workflowId?: string; dataConverter: DataConverter },
): Promise<Replayed> {
  quietRuntime();
  const calls = new Map<number, Call>();
  const sinks: InjectedSinks<ReplaySinks> = {
    replay: { called: { fn: (_, call) => void calls.set(call.seq, call), callDuringReplay: true } },
  };
  bundle ??= bundleWorkflowCode({
    workflowsPath,
    preloadModules,
    workflowInterceptorModules: [watchRunPath],
    logger: Runtime.instance().logger,
  });
  const options = {
    workflowBundle: await bundle,
    dataConverter,
    sinks,
    interceptors: { workflowModules: [watchRunPath] },
  };
  try {
    await Worker.runReplayHistory(options, history, workflowId);
    return { verdict: { replays: true }, calls };
  } catch (error) {
    if (!(error instanceof Error) || !['DeterminismViolationError', 'ReplayError'].includes(error.name)) throw error;
    return { verdict: { replays: false, problem: problemOf(error, history, calls) }, calls };
  }
}

function problemOf(error: Error, history: History, calls: ReadonlyMap<number, Call>): Verdict['problem'] {
  // The SDK hands on the debug form of the native part's failure; the innermost message is the one for people.
  const message = /message: "((?:[^"\\]|\\.)*)"/.exec(error.message)?.[1]?.replaceAll('\\"', '"') ?? error.message;
  const kind = error.name === 'DeterminismViolationError' || message.includes('Nondeterminism') ? 'diverged' : 'failed';
  return { kind, message, eventId: eventIdOf(message, history, calls) };
}

/** The event that a message is about: some name it, some name the number of an activity, some only say that activities differ. */
function eventIdOf(message: string, history: History, calls: ReadonlyMap<number, Call>): number | undefined {
  const named = /HistoryEvent\(id: (\d+)/.exec(message)?.[1];
  if (named) return Number(named);
  const seq = /LocalActivity\((\d+)\)/.exec(message)?.[1];
  const recorded = (history.events ?? []).flatMap((event) => recordedCall(event) ?? []);
  if (seq) return recorded.find((each) => each.seq === Number(seq))?.eventId;
  if (!message.includes('does not match activity type')) return undefined;
  return recorded.find((each) => calls.has(each.seq) && calls.get(each.seq)!.name !== each.name)?.eventId;
}

/** Number and name of the activity that an event records. */
function recordedCall(event: HistoryEvent): { eventId: number; seq: number; name: string } | undefined {
  const eventId = Number(event.eventId);
  const { activityId, activityType } = event.activityTaskScheduledEventAttributes ?? {};
  if (activityId) return { eventId, seq: Number(activityId), name: activityType?.name ?? '' };
  const marker = localMarkerOf(event);
  return marker && { eventId, seq: marker.seq, name: marker.activity_type };
}
