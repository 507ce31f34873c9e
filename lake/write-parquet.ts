import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { ByteWriter, parquetWrite } from 'hyparquet-writer';
import snappy from 'snappy';
import { writeDurably, type StepHook } from './durable-file.ts';
import { parquetColumns, type RowPlace } from './parquet-columns.ts';
import { hourFolder, segmentPath } from './paths.ts';
import type { Range } from './ranges.ts';
import { readSegment, type Segment } from './segment.ts';
import type { PartRange, RollUpPlan, RollUpResult } from './types.ts';

/** Rows per row group: large enough to compress, small enough that a reader skips what it does not want. */
const rowGroupRows = 32_768;

const hourMs = 3_600_000;

/** Segments whose rows have the same columns, with the part of each that is taken. */
interface Group {
  segments: { segment: Segment; take: PartRange[] }[];
}

/**
 * Writes the Parquet files of a plan: one per hour of event time, and per shape of segment when the pipeline changed in between.
 * Names and contents follow from the plan and its segments alone, so that a second call replaces the files by equal ones.
 */
export async function writeParquet(root: string, plan: RollUpPlan, onStep?: StepHook): Promise<RollUpResult> {
  const result: RollUpResult = { rows: 0, files: 0 };
  for (const group of (await readGroups(root, plan)).values()) {
    const name = fileName(group);
    for (const [folder, rows] of byHour(plan.pipeline, group)) {
      await writeDurably(root, `${folder}/${name}`, encode(rows), { onStep });
      result.rows += rows.length;
      result.files++;
    }
  }
  return result;
}

async function readGroups(root: string, { pipeline, chains }: RollUpPlan): Promise<Map<string, Group>> {
  const groups = new Map<string, Group>();
  for (const { segments, ...chain } of chains) {
    for (const planned of segments) {
      const segment = await readSegment(join(root, segmentPath(pipeline, chain, planned)));
      if (segment.offset.length === 0) continue;
      const { events, entities, features, outputs } = segment.header;
      const shape = JSON.stringify([events, entities, features, outputs]);
      const group = groups.get(shape) ?? { segments: [] };
      group.segments.push({ segment, take: planned.take });
      groups.set(shape, group);
    }
  }
  return groups;
}

/** The rows of each hour, in the order of the plan. */
function byHour(pipeline: string, group: Group): Map<string, RowPlace[]> {
  const hours = new Map<number, RowPlace[]>();
  for (const { segment, take } of group.segments) {
    const isTaken = takenOf(take);
    for (let row = 0; row < segment.offset.length; row++) {
      if (!isTaken(segment.partition[row]!, segment.offset[row]!)) continue;
      const hour = Math.floor(segment.eventTimeMs[row]! / hourMs);
      const rows = hours.get(hour);
      if (rows) rows.push({ segment, row });
      else hours.set(hour, [{ segment, row }]);
    }
  }
  return new Map([...hours].map(([hour, rows]) => [hourFolder(pipeline, hour * hourMs), rows]));
}

function takenOf(take: readonly PartRange[]): (partition: number, offset: number) => boolean {
  const byPartition = new Map<number, Range[]>();
  for (const [partition, from, to] of take)
    byPartition.set(partition, [...(byPartition.get(partition) ?? []), [from, to]]);
  return (partition, offset) => {
    for (const [from, to] of byPartition.get(partition) ?? []) if (offset >= from && offset < to) return true;
    return false;
  };
}

/** Readable at its beginning, told apart by a hash of all the ranges that are covered. */
function fileName({ segments }: Group): string {
  const ranges = segments.map(({ segment: { header }, take }) => [header.batch.epoch, header.batch.topic, ...take]);
  const hash = createHash('sha256').update(JSON.stringify(ranges)).digest('hex').slice(0, 16);
  const { epoch, topic } = segments[0]!.segment.header.batch;
  const [partition, from] = segments[0]!.take[0]!;
  return `${epoch}-${topic}-${partition}-${from}.${segments.length}.${hash}.parquet`;
}

function encode(rows: readonly RowPlace[]): Uint8Array {
  const { columns, schema } = parquetColumns(rows[0]!.segment.header, rows);
  const writer = new ByteWriter();
  void parquetWrite({
    writer,
    columnData: columns,
    schema,
    rowGroupSize: rowGroupRows,
    createdBy: 'headrace',
    compressors: { SNAPPY: compressPage },
  });
  return writer.getBytes();
}

function compressPage(page: Uint8Array): Uint8Array {
  return snappy.compressSync(Buffer.from(page.buffer, page.byteOffset, page.byteLength)) as Buffer;
}
