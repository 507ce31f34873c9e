import { scopeId, type BatchRef } from '../contracts/event-key.ts';
import { encodeFeatures, type FeaturesHeader } from '../contracts/features-frame.ts';
import { refusePromise } from '../contracts/refuse-promise.ts';
import { nameOf, type Rejection } from '../contracts/rejection.ts';
import type { FeaturePlan, WindowGroup } from './plan.ts';
import { isNone, refusalsAfter, type Refusals } from './refusals.ts';
import type { FoldContext, FoldResult } from './store.ts';
import { WatermarkFold } from './watermark.ts';
import { WindowState } from './window-state.ts';

/** An event as folding needs it. */
export interface FoldEvent {
  /** Index of its record in the batch. */
  recordIndex: number;
  offset: number;
  event: unknown;
  eventTimeMs: number;
  /** What the time was at most when it came: it moves the watermark no further. @default any time */
  clockMs?: number;
  /** In the order of the pipeline's entities. */
  entityKeys: readonly string[];
}

/**
 * Makes the fold of a batch for `FeatureStore.apply`: its result is an encoded features frame. Row by row in offset order, an
 * event enters the windows of its entities and then reads them, so a row sees itself and earlier rows only. Everything that can
 * fail on content is done before the store's transaction, and becomes a rejection.
 *
 * @param offsets the offsets of all records of the batch, events or not
 * @param refusedInARowMax the fold throws `RefusedInARow` before it has changed anything when the pipeline refuses so many; 0 = never
 */
export function foldBatch(
  plan: FeaturePlan,
  batch: BatchRef,
  offsets: readonly number[],
  events: readonly FoldEvent[],
  rejections: readonly Rejection[],
  refusedInARowMax = 0,
): (tx: FoldContext) => FoldResult {
  const inputs = readInputs(plan, batch.pipeline, events);
  const allRejections = [...rejections, ...inputs.rejections].sort((a, b) => a.index - b.index);
  return (tx) => fold(plan, batch, offsets, events, inputs, allRejections, refusedInARowMax, tx);
}

/** Apart from `foldBatch` so that the hot code is one function for the life of the process: see docs/performance/hot-code.md. */
function fold(
  plan: FeaturePlan,
  batch: BatchRef,
  offsets: readonly number[],
  events: readonly FoldEvent[],
  inputs: Inputs,
  rejections: readonly Rejection[],
  refusedInARowMax: number,
  tx: FoldContext,
): FoldResult {
  const begin = tx.markerPosition ?? -Infinity;
  const rows = countRows(events, inputs, begin);
  const header: FeaturesHeader = {
    kind: 'features',
    batch,
    names: plan.names,
    rejections: rejections.filter(({ index }) => offsets[index]! >= begin),
    duplicates: indicesBelow(begin, offsets),
    late: [],
    ahead: 0,
    watermarkMs: tx.watermarkMs,
    commitSequence: tx.commitSequence,
  };
  const refusals = countRefusals(header, offsets, events, inputs, begin, rows, refusedInARowMax, tx.refusals);
  const scope = scopeId(batch);
  const groups = plan.groups.map((group) => new GroupFold(group, `${scope}|${group.layoutId}|`, tx));
  const recordIndex = new Uint32Array(rows);
  const values = new Float32Array(rows * plan.names.length);
  const watermark = new WatermarkFold(tx, plan.allowedLatenessMs);
  let row = 0;
  for (let i = 0; i < events.length; i++) {
    const event = events[i]!;
    if (event.offset < begin || inputs.refused[i]) continue;
    const inputsFrom = i * plan.inputs.length;
    const rowFrom = row * plan.names.length;
    const place = watermark.next(event.eventTimeMs, event.clockMs ?? Infinity);
    if (place === 'late') header.late.push(row);
    else if (place === 'ahead') header.ahead++;
    for (const group of groups)
      group.step(event, watermark, place === 'late', inputs.values, inputsFrom, values, rowFrom);
    for (let input = 0; input < plan.valueColumns.length; input++)
      values[rowFrom + plan.valueColumns[input]!] = inputs.values[inputsFrom + input]!;
    recordIndex[row++] = event.recordIndex;
  }
  header.watermarkMs = watermark.ms;
  const states = new Map<string, Float64Array>();
  for (const group of groups) group.addChanged(states);
  const retentions = groups.map(({ keyPrefix, group }) => ({ keyPrefix, retentionMs: group.layout.retentionMs }));
  return { result: encodeFeatures({ header, recordIndex, values }), states, ...watermark.state, refusals, retentions };
}

/** Nearly every batch refuses nothing, and follows one that refused nothing. */
function countRefusals(
  { batch, rejections }: FeaturesHeader,
  offsets: readonly number[],
  events: readonly FoldEvent[],
  { refused }: Inputs,
  begin: number,
  rows: number,
  max: number,
  before: Refusals,
): Refusals {
  if (rejections.length === 0 && (rows === 0 || isNone(before))) return before;
  const accepted = events.flatMap(({ offset, recordIndex }, i) =>
    offset >= begin && !refused[i] ? [recordIndex] : [],
  );
  return refusalsAfter(before, { partition: batch.partition, offsets, refused: rejections, accepted, max });
}

function countRows(events: readonly FoldEvent[], { refused }: Inputs, begin: number): number {
  let rows = 0;
  for (let i = 0; i < events.length; i++) if (events[i]!.offset >= begin && !refused[i]) rows++;
  return rows;
}

function indicesBelow(begin: number, offsets: readonly number[]): number[] {
  const indices: number[] = [];
  for (let index = 0; index < offsets.length; index++) if (offsets[index]! < begin) indices.push(index);
  return indices;
}

interface TouchedEntity {
  /** Made once: the look-ups by it then hash it once. */
  storeKey: string;
  state: WindowState;
  changed: boolean;
}

/** The windows of one kind of entity while a batch is folded. */
class GroupFold {
  readonly #touched = new Map<string, TouchedEntity>();
  readonly #sums: Float64Array;

  constructor(
    readonly group: WindowGroup,
    readonly keyPrefix: string,
    private readonly tx: FoldContext,
  ) {
    this.#sums = new Float64Array(1 + group.layout.fieldCount);
  }

  /** Folds an event (unless it is too late for that) and fills its columns. */
  step(
    event: FoldEvent,
    { ms, believedMs }: WatermarkFold,
    late: boolean,
    inputs: Float64Array,
    inputsFrom: number,
    row: Float32Array,
    rowFrom: number,
  ): void {
    const { group } = this;
    const entity = this.#entity(event.entityKeys[group.entityIndex]!);
    if (believedMs !== null && entity.state.forget(believedMs)) entity.changed = true;
    if (!late) {
      entity.state.fold(event.eventTimeMs, inputs, inputsFrom + group.inputFrom, ms!);
      entity.changed = true;
    }
    const sums = this.#sums;
    for (const { delayMs, lengthMs, outputs } of group.windows) {
      entity.state.read(event.eventTimeMs, delayMs, lengthMs, sums);
      const count = sums[0]!;
      for (const { column, aggregate, field } of outputs) {
        const sum = sums[1 + field]!;
        // The only rounding: the row is float32, the state is float64.
        row[rowFrom + column] = aggregate === 'mean' ? (count > 0 ? sum / count : 0) : sum;
      }
    }
  }

  addChanged(states: Map<string, Float64Array>): void {
    for (const { storeKey, state, changed } of this.#touched.values())
      if (changed) states.set(storeKey, state.toArray());
  }

  #entity(key: string): TouchedEntity {
    let entity = this.#touched.get(key);
    if (!entity) {
      const storeKey = this.keyPrefix + key;
      entity = { storeKey, state: new WindowState(this.group.layout, this.tx.get(storeKey)), changed: false };
      this.#touched.set(key, entity);
    }
    return entity;
  }
}

interface Inputs {
  /** Row-major: for each event, its numbers in the order of `plan.inputs`. */
  values: Float64Array;
  /** 1 for an event that has no usable numbers. */
  refused: Uint8Array;
  rejections: Rejection[];
}

/** Asks the pipeline's own functions for the numbers of every event. */
function readInputs(plan: FeaturePlan, pipeline: string, events: readonly FoldEvent[]): Inputs {
  const width = plan.inputs.length;
  const inputs: Inputs = {
    values: new Float64Array(events.length * width),
    refused: new Uint8Array(events.length),
    rejections: [],
  };
  for (let i = 0; i < events.length; i++) {
    const { event, recordIndex } = events[i]!;
    for (let input = 0; input < width; input++) {
      const { name, read } = plan.inputs[input]!;
      const reason = readInput(pipeline, name, read, event, inputs.values, i * width + input);
      if (!reason) continue;
      inputs.refused[i] = 1;
      inputs.rejections.push({ index: recordIndex, step: 'decode', code: 'BAD_EVENT', reason });
      break;
    }
  }
  return inputs;
}

/** Returns why a number cannot be used. Whatever float32 cannot hold would reach the model as infinite. */
function readInput(
  pipeline: string,
  name: string,
  read: (event: unknown) => number,
  event: unknown,
  into: Float64Array,
  at: number,
): string | undefined {
  let value: number;
  try {
    value = read(event);
  } catch (error) {
    return `${name} failed (${nameOf(error)})`;
  }
  if (typeof value !== 'number') refusePromise(pipeline, name, value);
  if (typeof value !== 'number' || !Number.isFinite(Math.fround(value)))
    return `${name} must give a finite number that float32 can hold`;
  into[at] = value;
  return undefined;
}
