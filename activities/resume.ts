import { chainId, eventKey, parseEventKey, type Chain, type PipelineScope } from '../contracts/event-key.ts';
import { HeadraceError } from '../contracts/failures.ts';
import { isRefusedMessage, kafkaCodeOf } from '../kafka/refusal.ts';
import { deadLettersTopic, eventKeyHeader } from '../contracts/names.ts';
import type { AnyPipeline } from '../contracts/pipeline.ts';
import { headersIn, textHeader, type RecordHeader } from '../contracts/record-headers.ts';
import type { KafkaRecord } from '../contracts/records-frame.ts';
import {
  readAgainHeader,
  type LettersSpan,
  type ReadAgainPage,
  type ReadAgainPart,
  type ReadAgainPlan,
  type ResumeInput,
} from '../contracts/resume.ts';
import type { FeatureStore } from '../features/index.ts';
import { decodeEvents } from '../pipelines/decode-event.ts';
import { attempt } from './attempt.ts';
import type { CopyPort, RecordsPort } from '../scoring/ports.ts';

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
  epoch: number;
  copies: CopyPort;
  nowMs?: () => number;
  /** A page ends with the fetch that brings it to so many records. @default 1000 */
  pageMax?: number;
  /** A page also ends when it has taken this long. @default 20000 */
  pageMsMax?: number;
}

/** What is written again at once. */
const groupBytesMax = 256 * 1024;

function groupsOf(records: readonly KafkaRecord[]): KafkaRecord[][] {
  const groups: KafkaRecord[][] = [];
  let bytes = Infinity;
  for (const record of records) {
    const more = (record.key?.length ?? 0) + (record.value?.length ?? 0) + (record.headers?.length ?? 0);
    if (bytes + more > groupBytesMax) {
      groups.push([]);
      bytes = 0;
    }
    groups.at(-1)!.push(record);
    bytes += more;
  }
  return groups;
}

export function createResumeActivities({
  pipelines,
  store,
  records,
  deployment,
  epoch,
  copies,
  nowMs = Date.now,
  pageMax = 1_000,
  pageMsMax = 20_000,
}: ResumeOptions & { pipelines: readonly AnyPipeline[]; store: FeatureStore; records: RecordsPort }): ResumeActivities {
  function pipelineOf(input: ResumeInput): AnyPipeline & { scope: PipelineScope } {
    const pipeline = pipelines.find(({ name }) => name === input.pipeline);
    if (!pipeline || input.deployment !== deployment)
      throw new HeadraceError(
        'PIPELINE_UNKNOWN',
        `this worker is of deployment "${deployment}" and has no pipeline "${input.pipeline}" of "${input.deployment}"`,
      );
    return { ...pipeline, scope: { deployment, pipeline: pipeline.name, epoch } };
  }

  /** The refused records of the wanted partitions, of one page of dead letters; and what is left to look through. */
  async function refusedOffsets(
    input: ResumeInput,
    wanted: readonly Chain[],
    spans: readonly LettersSpan[],
    tell: (progress: unknown) => void,
  ): Promise<{ refused: Map<number, Set<number>>; left: LettersSpan[] }> {
    const refused = new Map(wanted.map(({ partition }) => [partition, new Set<number>()]));
    const ids = new Set(wanted.map(chainId));
    const endMs = performance.now() + pageMsMax;
    let found = 0;
    for (const [i, { partition, from, to }] of spans.entries()) {
      for await (const { end, records: letters } of records.read(
        deadLettersTopic(input.pipeline),
        partition,
        from,
        to,
      )) {
        for (const letter of letters) {
          const origin = originOf(letter);
          if (
            !origin ||
            origin.offset < input.from! ||
            !ids.has(chainId(origin)) ||
            store.wasReadAgain(origin, origin.offset)
          )
            continue;
          const offsets = refused.get(origin.partition)!;
          if (!offsets.has(origin.offset)) found++;
          offsets.add(origin.offset);
        }
        tell({ deadLettersPartition: partition, lookedTo: end, of: to });
        if (found >= pageMax || performance.now() >= endMs)
          return { refused, left: [...(end < to ? [{ partition, from: end, to }] : []), ...spans.slice(i + 1)] };
      }
    }
    return { refused, left: [] };
  }

  /** What lies before the start of the log is known to be over; without this the notes would grow with every record ever read again. */
  async function forgetNotes(chain: Chain, start: number): Promise<void> {
    while (await store.forgetReadAgain(chain, start));
  }

  /** Writes records again, and notes each group at once: what fails later repeats no more than one. Returns how many the topic took. */
  async function copy(
    chain: Chain,
    group: readonly KafkaRecord[],
    refuse: (offset: number, why: { code: string; reason: string }) => void,
  ): Promise<number> {
    try {
      await copies.publish(
        chain.topic,
        group.map((record) => ({
          partition: chain.partition,
          key: record.key,
          value: record.value,
          headers: headersOfCopy(chain, record),
        })),
      );
    } catch (error) {
      if (!isRefusedMessage(error)) throw error;
      if (group.length === 1) {
        refuse(group[0]!.offset, { code: kafkaCodeOf(error)!, reason: 'the topic does not take it a second time' });
        return 0;
      }
      let copied = 0;
      for (const record of group) copied += await copy(chain, [record], refuse);
      return copied;
    }
    await store.noteReadAgain(
      chain,
      group.map(({ offset }) => offset),
    );
    return group.length;
  }

  return {
    tolerateRefusals: (input) =>
      attempt(async () => {
        const { topic, scope } = pipelineOf(input);
        const partitions =
          input.partitions.length > 0 ? input.partitions : [...(await records.bounds(topic.name)).keys()];
        await store.tolerate(scope, partitions);
        return partitions.toSorted((a, b) => a - b);
      }),

    planReadAgain: (input, spans) =>
      attempt(async (tell) => {
        const {
          topic: { name: topic },
          scope,
        } = pipelineOf(input);
        const bounds = [...(await records.bounds(topic))]
          .filter(([partition]) => input.partitions.length === 0 || input.partitions.includes(partition))
          .map(([partition, log]) => ({ partition, start: known(log).start }))
          .toSorted((a, b) => a.partition - b.partition);
        const chainOf = (partition: number): Chain => ({ ...scope, topic, partition });
        if (!spans) for (const { partition, start } of bounds) await forgetNotes(chainOf(partition), start);
        spans ??= [...(await records.bounds(deadLettersTopic(input.pipeline)))]
          .map(([partition, log]) => ({ partition, from: known(log).start, to: known(log).end }))
          .filter(({ from, to }) => from < to);
        const { refused, left } = await refusedOffsets(
          input,
          bounds.map(({ partition }) => chainOf(partition)),
          spans,
          tell,
        );
        const plans = bounds.map(({ partition, start }): ReadAgainPlan => {
          const all = [...refused.get(partition)!].toSorted((a, b) => a - b);
          const offsets = all.filter((offset) => offset >= start);
          return {
            partition,
            offsets,
            gone: all.length - offsets.length,
            decidedTo: store.appliedTo(chainOf(partition)),
          };
        });
        return { plans, ...(left.length > 0 ? { left } : {}) };
      }),

    readAgain: (input, partition, offsets) =>
      attempt(async (tell) => {
        const pipeline = pipelineOf(input);
        const chain: Chain = { ...pipeline.scope, topic: pipeline.topic.name, partition };
        // What an earlier try has copied, and noted.
        const wanted = new Set(offsets.filter((offset) => !store.wasReadAgain(chain, offset)));
        const part: ReadAgainPart = { copied: offsets.length - wanted.size, gone: wanted.size, refused: 0 };
        const refuse = (offset: number, { code, reason }: { code: string; reason: string }) => {
          part.refused++;
          part.example ??= { offset, code, reason };
        };
        for await (const piece of records.read(chain.topic, partition, offsets[0]!, offsets.at(-1)! + 1)) {
          const found = piece.records.filter(({ offset }) => wanted.has(offset));
          part.gone -= found.length;
          const { events, rejections } = decodeEvents(pipeline, found, { clockMs: nowMs() });
          for (const rejection of rejections) refuse(found[rejection.index]!.offset, rejection);
          for (const group of groupsOf(events.map(({ recordIndex }) => found[recordIndex]!)))
            part.copied += await copy(chain, group, refuse);
          tell({ ...part, lookedTo: piece.end });
        }
        return part;
      }),
  };
}

/** Of the partitions that were asked for all have to be known. */
function known<T>(bounds: T | Error): T {
  if (bounds instanceof Error) throw bounds;
  return bounds;
}

/** The record that a dead letter is about, when decoding refused it. */
function originOf({ headers }: KafkaRecord): (Chain & { offset: number }) | undefined {
  let key: string | undefined;
  let step: string | undefined;
  for (const [name, value] of headersIn(headers)) {
    const text = Buffer.from(name).toString('latin1');
    if (text === eventKeyHeader) key = value ? Buffer.from(value).toString() : undefined;
    if (text === 'headrace-step') step = value ? Buffer.from(value).toString() : undefined;
  }
  if (key === undefined || step !== 'decode') return undefined;
  try {
    return parseEventKey(key);
  } catch {
    // Somebody else's message in our topic.
    return undefined;
  }
}

/** Its own, and where it comes from; one that was read again before has come from there. */
function headersOfCopy(chain: Chain, { offset, headers }: KafkaRecord): RecordHeader[] {
  const own = [...headersIn(headers)].filter(([name]) => Buffer.from(name).toString('latin1') !== readAgainHeader);
  return [...own, textHeader(readAgainHeader, eventKey(chain, offset))];
}
