import type { PartitionRef, PipelineScope, TopicRef } from '../contracts/event-key.ts';
import { HeadraceError } from '../contracts/failures.ts';
import { deadLettersTopic } from '../contracts/names.ts';
import type { AnyPipeline } from '../contracts/pipeline.ts';
import type { LettersSpan, ReadAgainPage, ReadAgainPart, ReadAgainPlan, ResumeInput } from '../contracts/resume.ts';
import type { FeatureStore } from '../features/index.ts';
import { decodeEvents } from '../pipelines/decode-event.ts';
import type { CopyPort, RecordsPort } from '../scoring/ports.ts';
import { findRefusedRecords } from '../scoring/refused-records.ts';
import { attempt } from './attempt.ts';
import { copyRecords, type Refuse } from './copy-records.ts';

/** The activities of `headrace resume`, as its workflow sees them. */
export interface ResumeActivities {
  /** Lets the refusals of the partitions be right until each accepts an event; returns which partitions those are. */
  tolerateRefusals(input: ResumeInput): Promise<number[]>;
  /**
   * Looks through some of the dead letters for records that decoding refused, and that were not read again yet.
   * @param left what is yet to be looked through; absent = all that there are now.
   */
  planReadAgain(input: ResumeInput, left?: LettersSpan[]): Promise<ReadAgainPage>;
  /** Writes refused records, which today's pipeline accepts, to the end of their partition, as they came. At least once. */
  readAgain(input: ResumeInput, partition: number, offsets: number[]): Promise<ReadAgainPart>;
}

export interface ResumeOptions {
  deployment: string;
  /** The epoch of a topic now. */
  epochOf: (topic: Omit<TopicRef, 'epoch'>) => Promise<number>;
  copies: CopyPort;
  nowMs?: () => number;
  /** A page ends with the fetch that brings it to so many records. @default 1000 */
  pageMax?: number;
  /** A page also ends when it has taken this long. @default 20000 */
  pageMsMax?: number;
}

interface Ports {
  pipelines: readonly AnyPipeline[];
  store: FeatureStore;
  records: RecordsPort;
}

/** Creates the activities of `headrace resume`. */
export function createResumeActivities(options: ResumeOptions & Ports): ResumeActivities {
  return {
    tolerateRefusals: (input) => attempt(() => tolerateRefusals(options, input)),
    planReadAgain: (input, left) => attempt((tell) => planReadAgain(options, input, left, tell)),
    readAgain: (input, partition, offsets) => attempt((tell) => readAgain(options, input, partition, offsets, tell)),
  };
}

async function tolerateRefusals(options: ResumeOptions & Ports, input: ResumeInput): Promise<number[]> {
  const { topic, scope } = await pipelineOf(options, input);
  const partitions =
    input.partitions.length > 0 ? input.partitions : [...(await options.records.bounds(topic.name)).keys()];
  await options.store.tolerate(scope, partitions);
  return partitions.toSorted((a, b) => a - b);
}

async function planReadAgain(
  options: ResumeOptions & Ports,
  input: ResumeInput,
  spans: LettersSpan[] | undefined,
  tell: (progress: unknown) => void,
): Promise<ReadAgainPage> {
  const { records, store, pageMax = 1_000, pageMsMax = 20_000 } = options;
  const {
    topic: { name: topic },
    scope,
  } = await pipelineOf(options, input);
  const bounds = [...(await records.bounds(topic))]
    .filter(([partition]) => input.partitions.length === 0 || input.partitions.includes(partition))
    .map(([partition, log]) => ({ ref: { ...scope, topic, partition }, start: known(log).start }))
    .toSorted((a, b) => a.ref.partition - b.ref.partition);
  if (!spans) for (const { ref, start } of bounds) await forgetNotes(store, ref, start);
  spans ??= [...(await records.bounds(deadLettersTopic(input.pipeline)))]
    .map(([partition, log]) => ({ partition, from: known(log).start, to: known(log).end }))
    .filter(({ from, to }) => from < to);
  const { refused, left } = await findRefusedRecords(options, {
    pipeline: input.pipeline,
    partitions: bounds.map(({ ref }) => ref),
    from: input.from!,
    spans,
    max: pageMax,
    msMax: pageMsMax,
    tell,
  });
  const plans = bounds.map(({ ref, start }): ReadAgainPlan => {
    const all = [...refused.get(ref.partition)!].toSorted((a, b) => a - b);
    const offsets = all.filter((offset) => offset >= start);
    return {
      partition: ref.partition,
      offsets,
      gone: all.length - offsets.length,
      decidedTo: store.appliedTo(ref),
    };
  });
  return { plans, ...(left.length > 0 ? { left } : {}) };
}

async function readAgain(
  options: ResumeOptions & Ports,
  input: ResumeInput,
  partition: number,
  offsets: number[],
  tell: (progress: unknown) => void,
): Promise<ReadAgainPart> {
  const { records, store, nowMs = Date.now } = options;
  const pipeline = await pipelineOf(options, input);
  const ref: PartitionRef = { ...pipeline.scope, topic: pipeline.topic.name, partition };
  // What an earlier try has copied, and noted.
  const wanted = new Set(offsets.filter((offset) => !store.wasReadAgain(ref, offset)));
  const part: ReadAgainPart = { copied: offsets.length - wanted.size, gone: wanted.size, refused: 0 };
  const refuse: Refuse = (offset, { code, reason }) => {
    part.refused++;
    part.example ??= { offset, code, reason };
  };
  for await (const piece of records.read(ref.topic, partition, offsets[0]!, offsets.at(-1)! + 1)) {
    const found = piece.records.flatMap((record) => (wanted.has(record.offset) ? [{ ...record, partition }] : []));
    part.gone -= found.length;
    const { events, rejections } = decodeEvents(pipeline, found, { clockMs: nowMs() });
    for (const rejection of rejections) refuse(found[rejection.index]!.offset, rejection);
    part.copied += await copyRecords(
      options,
      ref,
      events.map(({ recordIndex }) => found[recordIndex]!),
      refuse,
    );
    tell({ ...part, lookedTo: piece.end });
  }
  return part;
}

async function pipelineOf(
  { pipelines, deployment, epochOf }: ResumeOptions & Ports,
  input: ResumeInput,
): Promise<AnyPipeline & { scope: PipelineScope }> {
  const pipeline = pipelines.find(({ name }) => name === input.pipeline);
  if (!pipeline || input.deployment !== deployment)
    throw new HeadraceError(
      'PIPELINE_UNKNOWN',
      `this worker is of deployment "${deployment}" and has no pipeline "${input.pipeline}" of "${input.deployment}"`,
    );
  const { name } = pipeline;
  const epoch = await epochOf({ deployment, pipeline: name, topic: pipeline.topic.name });
  return { ...pipeline, scope: { deployment, pipeline: name, epoch } };
}

/** What lies before the start of the log is known to be over; without this the notes would grow with every record ever read again. */
async function forgetNotes(store: FeatureStore, partition: PartitionRef, start: number): Promise<void> {
  while (await store.forgetReadAgain(partition, start));
}

/** Of the partitions that were asked for all have to be known. */
function known<T>(bounds: T | Error): T {
  if (bounds instanceof Error) throw bounds;
  return bounds;
}
