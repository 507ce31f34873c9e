import type { Payload } from '@temporalio/common';
import { localMarkerOf, type History, type HistoryEvent } from './history-json.ts';
import type { Readable } from './readable-value.ts';
import type { Run, Step, StepKind } from './steps.ts';
import { durationOf, timeMs } from './times.ts';
import type { Call } from './watch-run.ts';

const closings: [keyof HistoryEvent, Run['status']][] = [
  ['workflowExecutionCompletedEventAttributes', 'completed'],
  ['workflowExecutionFailedEventAttributes', 'failed'],
  ['workflowExecutionTimedOutEventAttributes', 'timed out'],
  ['workflowExecutionCanceledEventAttributes', 'canceled'],
  ['workflowExecutionTerminatedEventAttributes', 'terminated'],
  ['workflowExecutionContinuedAsNewEventAttributes', 'continued as new'],
];

/** Groups the events of a history into steps, decoded. `calls` adds what local activities were called with. */
export async function readRun(
  history: History,
  { readable, calls, workflowId }: { readable: Readable; calls: ReadonlyMap<number, Call>; workflowId?: string },
): Promise<Run> {
  const events = history.events ?? [];
  const reader = new StepReader(readable, calls);
  for (const event of events) await reader.take(event);
  const started = events[0]!.workflowExecutionStartedEventAttributes!;
  const last = events.at(-1)!;
  const status = closings.find(([attributes]) => last[attributes])?.[1] ?? 'open';
  const startedAtMs = timeMs(events[0]!.eventTime);
  return {
    workflowId,
    runId: started.originalExecutionRunId || undefined,
    type: started.workflowType?.name ?? '',
    status,
    startedAtMs,
    durationMs: status === 'open' ? undefined : durationOf(startedAtMs, timeMs(last.eventTime)),
    events: events.length,
    steps: reader.steps,
  };
}

class StepReader {
  readonly steps: Step[] = [];
  /** Steps that later events add to, by the event that they refer to. */
  readonly #byEvent = new Map<number, Step>();
  readonly #timers = new Map<string, Step>();

  constructor(
    private readonly readable: Readable,
    private readonly calls: ReadonlyMap<number, Call>,
  ) {}

  async take(event: HistoryEvent): Promise<void> {
    const taken =
      (await this.#workflow(event)) ||
      (await this.#marker(event)) ||
      (await this.#activity(event)) ||
      (await this.#message(event)) ||
      this.#timer(event) ||
      this.#task(event);
    if (!taken)
      this.#add(
        event,
        'event',
        Object.keys(event)
          .find((name) => name.endsWith('EventAttributes'))
          ?.replace('EventAttributes', '') ?? 'unknown',
      );
  }

  #add(event: HistoryEvent, kind: StepKind, name: string, more: Partial<Step> = {}): Step {
    const step: Step = { eventId: Number(event.eventId), kind, name, atMs: timeMs(event.eventTime), ...more };
    this.steps.push(step);
    return step;
  }

  /** Ends a step when it is known. Returns true: the event is dealt with. */
  #end(step: Step | undefined, event: HistoryEvent, more: Partial<Step> = {}): true {
    if (!step) return true;
    delete step.open;
    Object.assign(step, { durationMs: durationOf(step.atMs, timeMs(event.eventTime)), ...more });
    return true;
  }

  async #workflow(event: HistoryEvent): Promise<boolean> {
    const started = event.workflowExecutionStartedEventAttributes;
    if (started) {
      const summary = await this.#summary(event);
      this.#add(event, 'started', started.workflowType?.name ?? '', {
        summary,
        input: await this.readable.all(started.input),
      });
      return true;
    }
    const attributes = event.upsertWorkflowSearchAttributesEventAttributes;
    if (attributes) {
      const entries = Object.entries(attributes.searchAttributes?.indexedFields ?? {}).map(
        async ([name, payload]) => [name, await this.readable.one(payload as Payload)] as const,
      );
      this.#add(event, 'search attributes', 'set', { input: [Object.fromEntries(await Promise.all(entries))] });
      return true;
    }
    const closing = closings.find(([name]) => event[name]);
    if (!closing) return false;
    const { result, failure } = event[closing[0]] as {
      result?: Parameters<Readable['all']>[0];
      failure?: Parameters<Readable['failure']>[0];
    };
    this.#add(event, 'closed', closing[1], {
      result: await this.readable.first(result),
      failure: this.readable.failure(failure),
    });
    return true;
  }

  async #marker(event: HistoryEvent): Promise<boolean> {
    const marker = event.markerRecordedEventAttributes;
    if (!marker) return false;
    const local = localMarkerOf(event);
    if (!local) {
      this.#add(event, marker.markerName === 'core_patch' ? 'patch' : 'event', marker.markerName ?? 'marker', {
        input: await this.readable.all(marker.details?.['data']),
      });
      return true;
    }
    const { seq, attempt, activity_type: name, complete_time: ended } = local;
    const step = this.#add(event, 'local activity', name, {
      summary: await this.#summary(event),
      attempt,
      result: await this.readable.first(marker.details?.['result']),
      failure: this.readable.failure(marker.failure),
    });
    const call = this.calls.get(seq);
    if (call)
      Object.assign(step, {
        atMs: call.atMs,
        durationMs: durationOf(call.atMs, timeMs(ended)),
        input: call.args.map((arg) => this.readable.value(arg)),
      });
    return true;
  }

  async #activity(event: HistoryEvent): Promise<boolean> {
    const scheduled = event.activityTaskScheduledEventAttributes;
    if (scheduled) {
      const [summary, input] = [await this.#summary(event), await this.readable.all(scheduled.input)];
      this.#byEvent.set(
        Number(event.eventId),
        this.#add(event, 'activity', scheduled.activityType?.name ?? '', { summary, input, open: true }),
      );
      return true;
    }
    const started = event.activityTaskStartedEventAttributes;
    if (started) {
      const step = this.#byEvent.get(Number(started.scheduledEventId));
      if (step) Object.assign(step, { attempt: started.attempt, failure: this.readable.failure(started.lastFailure) });
      return true;
    }
    const completed = event.activityTaskCompletedEventAttributes;
    if (completed)
      return this.#end(this.#byEvent.get(Number(completed.scheduledEventId)), event, {
        result: await this.readable.first(completed.result),
      });
    const failed = event.activityTaskFailedEventAttributes ?? event.activityTaskTimedOutEventAttributes;
    if (failed)
      return this.#end(this.#byEvent.get(Number(failed.scheduledEventId)), event, {
        failure: this.readable.failure(failed.failure),
      });
    const canceled = event.activityTaskCanceledEventAttributes;
    if (canceled)
      return this.#end(this.#byEvent.get(Number(canceled.scheduledEventId)), event, {
        failure: { message: 'canceled' },
      });
    return (
      event.activityTaskCancelRequestedEventAttributes !== undefined &&
      event.activityTaskCancelRequestedEventAttributes !== null
    );
  }

  async #message(event: HistoryEvent): Promise<boolean> {
    const accepted = event.workflowExecutionUpdateAcceptedEventAttributes;
    if (accepted) {
      const { input } = accepted.acceptedRequest ?? {};
      this.#byEvent.set(
        Number(event.eventId),
        this.#add(event, 'update', input?.name ?? '', { input: await this.readable.all(input?.args), open: true }),
      );
      return true;
    }
    const completed = event.workflowExecutionUpdateCompletedEventAttributes;
    if (completed) {
      const { success, failure } = completed.outcome ?? {};
      return this.#end(this.#byEvent.get(Number(completed.acceptedEventId)), event, {
        result: await this.readable.first(success),
        failure: this.readable.failure(failure),
      });
    }
    const signaled = event.workflowExecutionSignaledEventAttributes;
    if (signaled)
      this.#add(event, 'signal', signaled.signalName ?? '', { input: await this.readable.all(signaled.input) });
    return Boolean(signaled);
  }

  #timer(event: HistoryEvent): boolean {
    const started = event.timerStartedEventAttributes;
    if (started) {
      const { seconds, nanos } = started.startToFireTimeout ?? {};
      this.#timers.set(
        started.timerId!,
        this.#add(event, 'timer', `${Number(seconds ?? 0) * 1_000 + (nanos ?? 0) / 1e6} ms`, { open: true }),
      );
      return true;
    }
    const fired = event.timerFiredEventAttributes;
    if (fired) return this.#end(this.#timers.get(fired.timerId!), event, { result: 'fired' });
    const canceled = event.timerCanceledEventAttributes;
    return canceled ? this.#end(this.#timers.get(canceled.timerId!), event, { result: 'canceled' }) : false;
  }

  #task(event: HistoryEvent): boolean {
    if (event.workflowTaskScheduledEventAttributes) return true;
    const started = event.workflowTaskStartedEventAttributes;
    if (started) {
      this.#byEvent.set(Number(event.eventId), this.#add(event, 'workflow task', '', { open: true }));
      return true;
    }
    const completed = event.workflowTaskCompletedEventAttributes;
    if (completed) return this.#end(this.#byEvent.get(Number(completed.startedEventId)), event);
    const failed = event.workflowTaskFailedEventAttributes;
    if (failed)
      return this.#end(this.#byEvent.get(Number(failed.startedEventId)), event, {
        failure: this.readable.failure(failed.failure),
      });
    const timedOut = event.workflowTaskTimedOutEventAttributes;
    return timedOut
      ? this.#end(this.#byEvent.get(Number(timedOut.startedEventId)), event, {
          failure: { message: 'timed out: the worker was gone or too slow' },
        })
      : false;
  }

  async #summary(event: HistoryEvent): Promise<string | undefined> {
    const payload = event.userMetadata?.summary;
    return payload ? String(await this.readable.one(payload as Payload)) : undefined;
  }
}
