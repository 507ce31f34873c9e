import type { ReadableFailure } from '../../temporal/history/readable-value.ts';
import type { Verdict } from '../../temporal/history/replay-history.ts';
import type { Run, Step } from '../../temporal/history/steps.ts';

const indent = ' '.repeat(20);
/** Longer values are cut in text; the JSON form has them whole. */
const valueCharsMax = 2_000;

/** Long values that were printed, with the event where: the batch goes into nearly every step. */
type Printed = Map<string, number>;
const repeatedCharsMin = 80;

/** The report for people: the run, its steps in order, and the verdict last. */
export function replayText(run: Run, verdict: Verdict): string {
  const printed: Printed = new Map();
  const took = run.durationMs === undefined ? '' : ` after ${run.durationMs} ms`;
  return [
    `${run.workflowId ?? 'workflow of unknown id'}${run.runId ? `, run ${run.runId}` : ''}`,
    `${run.type}, ${run.status}${took}, started ${new Date(run.startedAtMs).toISOString()}`,
    '',
    ...run.steps.flatMap((step) => stepLines(step, verdict, printed)),
    '',
    ...verdictLines(run, verdict),
    '',
  ].join('\n');
}

function stepLines(step: Step, { problem }: Verdict, printed: Printed): string[] {
  const time = new Date(step.atMs).toISOString().slice(11, 23);
  const notes = [
    step.summary && `"${step.summary}"`,
    step.durationMs !== undefined && `${step.durationMs} ms`,
    step.attempt !== undefined && step.attempt > 1 && `attempt ${step.attempt}`,
    step.open && 'not ended',
    step.failure && step.result === undefined && !step.open && 'failed',
  ].filter(Boolean);
  return [
    `${String(step.eventId).padStart(5)}  ${time} ${[step.kind, step.name].filter(Boolean).join(' ')}${notes.length > 0 ? `  (${notes.join(', ')})` : ''}`,
    ...(step.input ?? []).flatMap((value) => valueLines('in', value, step.eventId, printed)),
    ...(step.failure ? [`${indent}failure  ${failureText(step.failure)}`] : []),
    ...(step.result === undefined ? [] : valueLines('out', step.result, step.eventId, printed)),
    ...(problem?.eventId === step.eventId ? [`${indent}^^^ ${problem.kind} here`] : []),
  ];
}

/** A value on one line; a frame with a line for each of its rows, and two frames in one as two. What was printed before is only pointed at. */
function valueLines(label: string, value: unknown, eventId: number, printed: Printed): string[] {
  const head = `${indent}${label.padEnd(4)} `;
  const json = JSON.stringify(value) ?? 'nothing';
  const before = printed.get(json);
  const isFrame = isFrameValue(value);
  if (before !== undefined) return [`${head}${isFrame ? `frame "${value.frame}"` : '{...}'} as at event ${before}`];
  if (json.length >= repeatedCharsMin) printed.set(json, eventId);
  if (!isFrame) return [head + cut(json)];
  if (value.frame === 'scored')
    return [value.features, value.decisions].flatMap((each) => valueLines(label, each, eventId, printed));
  const { frame, batch: _, rows = [], shown, total, ...facts } = value;
  const count =
    total === undefined
      ? ''
      : ` of ${total} ${total === 1 ? 'row' : 'rows'}${shown === total ? '' : `, ${shown} shown`}`;
  return [
    `${head}frame "${frame}"${count}${Object.keys(facts).length > 0 ? `: ${cut(JSON.stringify(facts))}` : ''}`,
    ...rows.map((row) => `${indent}       ${cut(JSON.stringify(row))}`),
  ];
}

function isFrameValue(value: unknown): value is {
  frame: string;
  batch?: unknown;
  rows?: unknown[];
  shown?: number;
  total?: number;
  features?: unknown;
  decisions?: unknown;
} {
  return typeof value === 'object' && value !== null && 'frame' in value && typeof value.frame === 'string';
}

function failureText({ message, type, cause }: ReadableFailure): string {
  return `${message}${type && !message.startsWith(type) ? ` [${type}]` : ''}${cause ? ` <- ${failureText(cause)}` : ''}`;
}

function cut(text: string): string {
  return text.length > valueCharsMax
    ? `${text.slice(0, valueCharsMax)}... (${text.length} characters; --output json shows all)`
    : text;
}

function verdictLines({ events, steps }: Run, { replays, problem }: Verdict): string[] {
  if (replays) return [`REPLAYS: today's code takes the same steps (${events} events).`];
  const step = steps.find(({ eventId }) => eventId === problem?.eventId);
  const where =
    problem?.eventId === undefined
      ? ''
      : ` at event ${problem.eventId}${step ? ` (${[step.kind, step.name].filter(Boolean).join(' ')})` : ''}`;
  if (problem?.kind === 'failed') return [`DOES NOT REPLAY${where}: ${problem.message}`];
  return [
    `DIVERGES${where}: ${problem?.message}`,
    "Today's code takes other steps than this history holds. Keep the old path for runs that are open: put the change behind patched().",
  ];
}
