import { scopeId, type BatchRef } from '../contracts/event-key.ts';
import { encodeFeatures, type FeaturesHeader } from '../contracts/features-frame.ts';
import { refusePromise } from '../contracts/refuse-promise.ts';
import { nameOf, type Rejection } from '../contracts/rejection.ts';
import type { FeaturePlan, WindowGroup } from './plan.ts';
import { isNone, noRefusals, refusalsAfter, type Refusals } from './refusals.ts';
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
 * Makes the fold of a batch for `FeatureStore.apply`: its result is an encoded features frame. Row by row, each partition in offset order, an
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
  const parts = partsOf(plan, batch, tx.markers);
  const { isRow, rows } = findRows(parts, events, inputs);
  const duplicates = parts.flatMap((part) => indicesBelow(part, offsets));
  const header: FeaturesHeader = {
    kind: 'features',
    batch,
    names: plan.names,
    rejections: withoutDuplicates(rejections, duplicates),
    duplicates,
    late: [],
    ahead: 0,
    watermarksMs: [],
    commitSequence: tx.commitSequence,
  };
  const refusals = countRefusals(header, parts, offsets, events, isRow, refusedInARowMax, tx.refusals);
  const scope = scopeId(batch);
  const groups = plan.groups.map((group) => new GroupFold(group, `${scope}|${group.layoutId}|`, tx));
  const recordIndex = new Uint32Array(rows);
  const values = new Float32Array(rows * plan.names.length);
  let row = 0;
  let part = 0;
  for (let i = 0; i < events.length; i++) {
    const event = events[i]!;
    if (!isRow[i]) continue;
    while (event.recordIndex >= parts[part]!.to) part++;
    const { watermark } = parts[part]!;
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
  header.watermarksMs = parts.map(({ watermark }) => watermark.ms);
  const states = new Map<string, Float64Array>();
  for (const group of groups) group.addChanged(states);
  const retentions = groups.map(({ keyPrefix, group }) => ({ keyPrefix, retentionMs: group.layout.retentionMs }));
  const result = encodeFeatures({ header, recordIndex, values });
  return { result, states, watermarks: parts.map(({ watermark }) => watermark.state), refusals, retentions };
}

/** The records of one range, `[from, to)` by index. */
interface Part {
  partition: number;
  from: number;
  to: number;
  /** Records with an offset below it were applied before. */
  begin: number;
  watermark: WatermarkFold;
}

function partsOf(plan: FeaturePlan, { ranges }: BatchRef, markers: FoldContext['markers']): Part[] {
  let to = 0;
  return ranges.map(({ partition, count }, i) => {
    const from = to;
    to += count;
    const marker = markers[i];
    const watermark = new WatermarkFold(marker ?? { watermarkMs: null }, plan.allowedLatenessMs);
    return { partition, from, to, begin: marker?.position ?? -Infinity, watermark };
  });
}

/** Which events have a row: 1 for those that were not applied before, and have usable numbers. */
function findRows(
  parts: readonly Part[],
  events: readonly FoldEvent[],
  { refused }: Inputs,
): { isRow: Uint8Array; rows: number } {
  const isRow = new Uint8Array(events.length);
  let rows = 0;
  let part = 0;
  for (let i = 0; i < events.length; i++) {
    const { recordIndex, offset } = events[i]!;
    while (recordIndex >= parts[part]!.to) part++;
    if (offset < parts[part]!.begin || refused[i]) continue;
    isRow[i] = 1;
    rows++;
  }
  return { isRow, rows };
}

/** Nearly every batch refuses nothing, and follows one that refused nothing. */
function countRefusals(
  { rejections }: FeaturesHeader,
  parts: readonly Part[],
  offsets: readonly number[],
  events: readonly FoldEvent[],
  isRow: Uint8Array,
  max: number,
  before: Refusals,
): Refusals {
  if (rejections.length === 0 && isNone(before)) return before;
  const accepted = events.flatMap(({ recordIndex }, i) => (isRow[i] ? [recordIndex] : []));
  let refusals = before;
  let earlier = before;
  for (const { partition, from, to } of parts) {
    const refused = rejections.filter(({ index }) => index >= from && index < to);
    const theirs = accepted.filter((index) => index >= from && index < to);
    if (refused.length + theirs.length > 0)
      refusals = refusalsAfter(refusals, { partition, offsets, refused, accepted: theirs, earlier, max });
    // What is refused from then on has none before it.
    if (theirs.length > 0) earlier = noRefusals;
  }
  return refusals;
}

function withoutDuplicates(rejections: readonly Rejection[], duplicates: readonly number[]): Rejection[] {
  const isDuplicate = new Set(duplicates);
  return rejections.filter(({ index }) => !isDuplicate.has(index));
}

function indicesBelow({ from, to, begin }: Part, offsets: readonly number[]): number[] {
  const indices: number[] = [];
  for (let index = from; index < to; index++) if (offsets[index]! < begin) indices.push(index);
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
