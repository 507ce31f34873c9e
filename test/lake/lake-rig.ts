import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DuckDBInstance, type DuckDBConnection, type Json } from '@duckdb/node-api';
import { z } from 'zod';
import { batchWorkflowId, type BatchRef } from '../../contracts/event-key.ts';
import type { AnyPipeline } from '../../contracts/pipeline.ts';
import { planRollUps, type PlanOptions } from '../../lake/plan.ts';
import { rollUp, type RollUpOptions } from '../../lake/roll-up.ts';
import type { RollUpRound } from '../../lake/types.ts';
import { createLakeSink } from '../../sinks/lake.ts';
import type { DecisionRow } from '../../contracts/delivery.ts';
import { decisionRow, topic } from '../sinks/rows.ts';

export const orders = {
  name: 'orders',
  event: z.object({ orderId: z.string(), amount: z.number(), note: z.string() }),
} as unknown as AnyPipeline;

export interface RowParts {
  pipeline?: AnyPipeline;
  /** Replaces parts of the row at an offset; null leaves it out. */
  row?: (offset: number, partition: number) => Partial<DecisionRow> | null;
}

export interface BatchParts extends RowParts {
  partition?: number;
  first?: boolean;
  /** How many records at the beginning are duplicates. */
  duplicates?: number;
}

export interface RigBatch {
  layout?: number;
  chain?: number;
  sequence: number;
  startId?: string;
  ranges: readonly RigRange[];
}

/** One record an offset, of which the first ones may be duplicates. Offset 0 is the first of its partition. */
export type RigRange = { partition: number; position: number; end: number; duplicates?: number; first?: boolean };

/** A lake in a folder of its own, with DuckDB beside it as an outsider that reads it. */
export class LakeRig {
  private constructor(
    readonly root: string,
    private readonly duck: DuckDBConnection,
    private readonly instance: DuckDBInstance,
  ) {}

  static async open(): Promise<LakeRig> {
    const instance = await DuckDBInstance.create(':memory:');
    return new LakeRig(await mkdtemp(join(tmpdir(), 'headrace-lake-')), await instance.connect(), instance);
  }

  /** Delivers the batch `[position, end)` of one partition, which has a chain of its own. Equal batches have one start. */
  async deliver(
    position: number,
    end: number,
    { partition = 0, first, duplicates = 0, ...parts }: BatchParts = {},
  ): Promise<void> {
    const startId = `${position}-${end}-${duplicates}`;
    const ranges = [{ partition, position, end, duplicates, first }];
    await this.deliverBatch({ chain: partition, sequence: position, startId, ranges }, parts);
  }

  /** Delivers a batch of several partitions. */
  async deliverBatch(
    { layout = 0, chain = 0, sequence, startId = `start-${sequence}`, ranges }: RigBatch,
    { pipeline = orders, row = () => ({}) }: RowParts = {},
  ): Promise<void> {
    const places = ranges.flatMap(({ partition, position, end, duplicates = 0 }) =>
      Array.from({ length: end - position }, (_, i) => ({ partition, offset: position + i, own: i >= duplicates })),
    );
    const rows = places.flatMap(({ partition, offset, own }) => {
      const parts = own && row(offset, partition);
      return parts ? [decisionRow(offset, { partition, ...parts })] : [];
    });
    const batch: BatchRef = {
      ...topic,
      pipeline: pipeline.name,
      layout,
      chain,
      sequence,
      startId,
      ranges: ranges.map(({ partition, position, end, first = position === 0 }) => ({
        partition,
        position,
        end,
        count: end - position,
        ...(first ? { first } : {}),
      })),
    };
    await createLakeSink({ root: this.root }).deliver(
      {
        batch,
        pipeline,
        workflowId: batchWorkflowId(batch, sequence),
        rows,
        duplicates: places.filter(({ own }) => !own),
      },
      new AbortController().signal,
    );
  }

  /** Plans and rolls up until nothing is left to do now. Returns the last round. */
  async rollUpAll(plan: Partial<PlanOptions> = {}, work: Partial<RollUpOptions> = {}): Promise<RollUpRound> {
    for (let rounds = 0; rounds < 200; rounds++) {
      const round = await planRollUps({ root: this.root, ...plan });
      if (round.plans.length === 0) return round;
      for (const each of round.plans) await rollUp({ root: this.root, ...work }, each);
    }
    throw new Error('the roll-up does not come to an end');
  }

  /** What DuckDB answers; `lake` in the query stands for all Parquet files. No rows while there is no file. */
  async query(sql: string): Promise<Record<string, Json>[]> {
    if ((await this.files()).length === 0) return [];
    const lake = `read_parquet('${this.root}/pipeline=*/**/*.parquet', hive_partitioning = true, union_by_name = true)`;
    return (await this.duck.runAndReadAll(sql.replaceAll(/\blake\b/g, lake))).getRowObjectsJson();
  }

  /** What the Parquet files say of their columns: how each is encoded, and whether a reader can skip by its bounds. */
  async columns(): Promise<{ name: string; encodings: string; bounded: boolean }[]> {
    const sql = `select path_in_schema as name, encodings, coalesce(stats_min_value, stats_min) is not null as bounded from parquet_metadata('${this.root}/pipeline=*/**/*.parquet')`;
    return (await this.duck.runAndReadAll(sql)).getRowObjectsJson() as {
      name: string;
      encodings: string;
      bounded: boolean;
    }[];
  }

  /** The event keys that a reader sees now, as `partition:offset` in order. */
  async visible(): Promise<string[]> {
    return (await this.query(`select partition || ':' || "offset" as key from lake order by partition, "offset"`)).map(
      ({ key }) => key as string,
    );
  }

  files(): Promise<string[]> {
    return this.#filesEnding('.parquet');
  }

  segments(): Promise<string[]> {
    return this.#filesEnding('.seg');
  }

  async close(): Promise<void> {
    this.duck.closeSync();
    this.instance.closeSync();
    await rm(this.root, { recursive: true, force: true });
  }

  async #filesEnding(ending: string): Promise<string[]> {
    return (await readdir(this.root, { recursive: true })).filter((path) => path.endsWith(ending)).sort();
  }
}

/** `partition:offset` of each offset in `[from, to)`. */
export function keys(from: number, to: number, partition = 0): string[] {
  return Array.from({ length: to - from }, (_, i) => `${partition}:${from + i}`);
}
