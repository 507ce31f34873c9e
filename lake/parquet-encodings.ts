import type { ColumnSource } from 'hyparquet-writer';

/** How the columns of a file are written, by what is known of their values. */

export type ColumnType = NonNullable<ColumnSource['type']>;

/** Texts that never repeat: written as they are, without looking for repetitions. */
export function identities(name: string, data: Buffer[]): ColumnSource {
  return { ...required(name, 'STRING', data), encoding: 'PLAIN' };
}

/** As the library looks for repetitions: at so many values, and how much of their bytes is in distinct ones. */
const sampleMax = 1_000;
const distinctShareMax = 0.9;
const lengthBytes = 4;

/**
 * Texts that may repeat or not. The library finds out by a sample; where they do not, by the same sample, it would make an array
 * buffer of its own for each of them.
 */
export function text(column: ColumnSource): ColumnSource {
  const texts = column.data as readonly (string | null)[];
  const size = Math.min(texts.length, sampleMax);
  const seen = new Set<string>();
  let bytes = 0;
  let distinctBytes = 0;
  for (let i = 0; i < size; i++) {
    const value = texts[size === 1 ? 0 : Math.floor((i * (texts.length - 1)) / (size - 1))]!;
    if (value === null) continue;
    bytes += value.length + lengthBytes;
    if (seen.has(value)) continue;
    seen.add(value);
    distinctBytes += value.length + lengthBytes;
  }
  return distinctBytes > bytes * distinctShareMax ? { ...column, data: texts.map(bytesOf), encoding: 'PLAIN' } : column;
}

function bytesOf(value: string | null): Buffer | null {
  return value === null ? null : Buffer.from(value);
}

/** Texts that nearly always repeat: written once and numbered, without looking whether that pays. */
export function repeated(name: string, data: string[]): ColumnSource {
  return { ...required(name, 'STRING', data), encoding: 'RLE_DICTIONARY' };
}

/** Numbers of the model's are written as they are: looking for those that repeat costs more, and compression finds them. */
export function required(name: string, type: ColumnType, data: ColumnSource['data']): ColumnSource {
  return { name, type, data, nullable: false, encoding: type === 'FLOAT' ? 'PLAIN' : undefined };
}
