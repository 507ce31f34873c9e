import type { BatchRef } from './event-key.ts';
import { decodeFrame, encodeFrame, type FrameHeader } from './frame.ts';
import type { Rejection } from './rejection.ts';

/** What `extractFeatures` records: one row of float32 features for each event of the batch, and what became of the other records. */
export interface FeaturesHeader extends FrameHeader {
  kind: 'features';
  batch: BatchRef;
  /** Feature names in column order. */
  names: string[];
  rejections: Rejection[];
  /** Records (by index) below the marker of their partition: their effects exist already, so they have no row here. */
  duplicates: number[];
  /** Rows (by row) of events later than the pipeline's allowed lateness: predicted, but not folded into features. */
  late: number[];
  /** How many events lie so far ahead of their partition that its watermark does not follow them. */
  ahead: number;
  /** For each range of the batch, in order, the watermark of its partition after it: milliseconds since 1970; null before the first event. */
  watermarksMs: (number | null)[];
  /** Store-wide number of this application: the order in which batches changed the feature state. */
  commitSequence: number;
}

export interface Features {
  header: FeaturesHeader;
  /** Per row: the index of its record in the batch. Ascending. */
  recordIndex: Uint32Array;
  /** Row-major, `recordIndex.length` rows of `header.names.length` features: the model's input as it is. */
  values: Float32Array;
}

export function encodeFeatures({ header, recordIndex, values }: Features): Uint8Array {
  return encodeFrame({ header, columns: { recordIndex, values } });
}

/** Reads a features frame; the columns are views on its buffer. */
export function decodeFeatures(bytes: Uint8Array): Features {
  const { header, columns } = decodeFrame<FeaturesHeader>(bytes);
  return { header, recordIndex: columns['recordIndex'] as Uint32Array, values: columns['values'] as Float32Array };
}

/** The features of one row: the numbers of `values` that begin at `from`, one for each name. */
export interface FeatureRow {
  names: readonly string[];
  values: Float32Array;
  from: number;
}

export function featureRow({ header: { names }, values }: Features, row: number): FeatureRow {
  return { names, values, from: row * names.length };
}

export function featuresByName({ names, values, from }: FeatureRow): Record<string, number> {
  return Object.fromEntries(names.map((name, column) => [name, values[from + column]!]));
}

/** Makes an object of the numbers that begin at an index. */
export type FeatureNamer = (values: Float32Array, from: number) => Record<string, number>;

/**
 * Names features for each row of a batch. Each object is a copy of one that has all names already: one that grows name by name takes
 * three times as long and twice the memory.
 */
export function namerOf(names: readonly string[]): FeatureNamer {
  const template = Object.fromEntries(names.map((name) => [name, 0]));
  return (values, from) => {
    const named = { ...template };
    for (let column = 0; column < names.length; column++) named[names[column]!] = values[from + column]!;
    return named;
  };
}
