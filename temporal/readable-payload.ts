import type { Payload } from '@temporalio/common';
import { decodeDecisions } from '../contracts/decisions-frame.ts';
import { decodeFeatures } from '../contracts/features-frame.ts';
import { decodeFrameHeader, isFrame } from '../contracts/frame.ts';
import { readableHeaders } from '../contracts/record-headers.ts';
import { exactTimestamp, isoTime, recordTimeMs } from '../contracts/record-time.ts';
import { decodeRecords, type KafkaRecord } from '../contracts/records-frame.ts';
import { decodeScored } from '../contracts/scored-frame.ts';
import { mayHoldBigIntegers, parseWithNumberLiterals } from '../lib/number-literals.ts';

/** How many rows of a frame are shown in the Web UI; totals stand beside them. */
const rowsShownMax = 50;

/** A frame as a JSON payload that people can read in the Web UI; any other payload as it is. */
export function readablePayload(payload: Payload): Payload {
  if (!payload.data || !isFrame(payload.data)) return payload;
  return jsonPayload(readableFrame(payload.data, rowsShownMax));
}

/** What stands in the place of a payload that cannot be shown. */
export function placeholderPayload(reason: string): Payload {
  return jsonPayload({ unreadable: reason });
}

function jsonPayload(value: unknown): Payload {
  return { metadata: { encoding: Buffer.from('json/plain') }, data: Buffer.from(JSON.stringify(value)) };
}

/** A frame for people: its kind, totals, and at most `rowsMax` rows. Throws a RangeError when it was cut. */
export function readableFrame(bytes: Uint8Array, rowsMax: number): { frame: string } & Record<string, unknown> {
  const { kind } = decodeFrameHeader(bytes);
  if (kind === 'records') return readableRecords(bytes, rowsMax);
  if (kind === 'features') return readableFeatures(bytes, rowsMax);
  if (kind === 'decisions') return readableDecisions(bytes, rowsMax);
  if (kind === 'scored') return readableScored(bytes, rowsMax);
  return { frame: kind, bytes: bytes.length };
}

function readableScored(bytes: Uint8Array, rowsMax: number) {
  const { features, decisions } = decodeScored(bytes);
  return {
    frame: 'scored',
    features: readableFeatures(features, rowsMax),
    decisions: readableDecisions(decisions!, rowsMax),
  };
}

function readableRecords(bytes: Uint8Array, rowsMax: number) {
  const { batch, clockMs, records } = decodeRecords(bytes);
  const rows = records.slice(0, rowsMax).map((record) => ({
    partition: record.partition,
    offset: record.offset,
    ...readableTime(record),
    key: textOf(record.key),
    value: jsonOrText(record.value),
    ...(record.headers && { headers: readableHeaders(record.headers) }),
    ...(record.stub && { cutFromBytes: record.stub.recordBytes, headersLeftOut: record.stub.headersLeftOut }),
  }));
  return { frame: 'records', batch, clock: isoTime(clockMs), total: records.length, shown: rows.length, rows };
}

/** A time that cannot be used is shown with all its digits. */
function readableTime(record: KafkaRecord) {
  const time = isoTime(recordTimeMs(record));
  return {
    ...(time === null ? { timestamp: exactTimestamp(record) } : { time }),
    ...(record.timeIsBrokers && { timeIsBrokers: true }),
  };
}

function readableFeatures(bytes: Uint8Array, rowsMax: number) {
  const { header, recordIndex, values } = decodeFeatures(bytes);
  const { batch, names, rejections, duplicates, late, ahead, watermarksMs, commitSequence } = header;
  const lateRows = new Set(late);
  const rows = Array.from(recordIndex.subarray(0, rowsMax), (record, row) => ({
    record,
    late: lateRows.has(row),
    features: Object.fromEntries(names.map((name, column) => [name, values[row * names.length + column]])),
  }));
  return {
    frame: 'features',
    batch,
    total: recordIndex.length,
    shown: rows.length,
    totals: { rejected: rejections.length, duplicates: duplicates.length, late: late.length, ahead },
    watermarks: Object.fromEntries(batch.ranges.map(({ partition }, i) => [partition, isoTime(watermarksMs[i])])),
    commitSequence,
    rejections: rejections.slice(0, rowsMax),
    rows,
  };
}

function readableDecisions(bytes: Uint8Array, rowsMax: number) {
  const { header, predictions, outcome, why, sinks, degraded } = decodeDecisions(bytes);
  const { batch, model, outputs, outcomes, whys, outcomeCounts, sinkCounts, degradedCount, rejectedCount, rejections } =
    header;
  const width = outputs.reduce((sum, output) => sum + output.width, 0);
  const rows = Array.from(outcome.subarray(0, rowsMax), (index, row) => {
    let column = row * width;
    const prediction = outputs.map(({ name, width: own }) => {
      const numbers = Array.from(predictions.subarray(column, (column += own)));
      return [name, own === 1 ? numbers[0] : numbers];
    });
    return {
      row,
      outcome: outcomes[index],
      why: whys[why[row]!],
      prediction: Object.fromEntries(prediction) as Record<string, unknown>,
      sinks: header.sinks.filter((_, bit) => ((sinks[row]! >>> bit) & 1) === 1),
      degraded: degraded[row] === 1,
    };
  });
  return {
    frame: 'decisions',
    batch,
    model,
    total: outcome.length,
    shown: rows.length,
    totals: { outcomes: outcomeCounts, sinks: sinkCounts, degraded: degradedCount, rejected: rejectedCount },
    rejections: rejections.slice(0, rowsMax),
    rows,
  };
}

function textOf(bytes: Uint8Array | null): string | null {
  return bytes && Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8');
}

function jsonOrText(bytes: Uint8Array | null): unknown {
  const text = textOf(bytes);
  if (text === null) return null;
  try {
    // What a double does not hold is shown as its digits.
    return mayHoldBigIntegers(text) ? parseWithNumberLiterals(text).value : (JSON.parse(text) as unknown);
  } catch {
    return text;
  }
}
