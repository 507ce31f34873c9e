import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { DuckDBInstance } from '@duckdb/node-api';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { decisionsTopic, eventKeyHeader } from '../../contracts/names.ts';
import { openBatches, readTopic, reviewedKeys } from './collect.ts';
import { outcomeOf, pageViews, pageViewsSource, recomputeViews, type ExpectedView } from './page-views.ts';
import { System } from './system.ts';
import { until } from './wait.ts';

const root = join(import.meta.dirname, '..', '..');
const partitions = [0, 1];
const perPartition = 400;

/** One decision, in one form for every sink. */
interface Seen {
  eventKey: string;
  eventId: string;
  user: string;
  page: string;
  eventTime: string;
  y: number;
  model: string;
  outcome: string;
  why: string;
}

describe('a second pipeline, defined outside of the repository', () => {
  let system: System;
  let expected: Map<string, ExpectedView>;
  let dashboard: (Seen & { event: unknown; features: Record<string, number> })[];

  beforeAll(async () => {
    system = await System.start({
      partitions: partitions.length,
      pipelineSource: pageViewsSource,
      env: { HEADRACE_LAKE_ROLL_UP_SECONDS: '1' },
    });
    const messages = partitions.flatMap((partition) =>
      pageViews(partition, perPartition).map((view) => ({ partition, key: view.user, value: JSON.stringify(view) })),
    );
    await system.producer.send({ topic: system.topic, acks: -1, messages });
    await until('all decisions', async () => (await system.countDecisions()) >= messages.length, {
      detail: () => system.logs(),
    });
    await until('all deliveries', async () => (await openBatches(system)) === 0, { detail: () => system.logs() });
    expected = new Map(
      partitions.flatMap((partition) =>
        recomputeViews(system.name, system.topic, partition, pageViews(partition, perPartition)).map((each) => [
          each.eventKey,
          each,
        ]),
      ),
    );
    const { rows } = await system.pool.query<Record<string, any>>('select * from decisions_by_name');
    dashboard = rows.map((row) => ({
      eventKey: row['event_key'],
      eventId: row['event_id'],
      user: row['entities'].user,
      page: row['entities'].page,
      eventTime: row['event_time'].toISOString(),
      y: row['prediction'].y,
      model: `${row['model_name']}@${row['model_version']}`,
      outcome: row['outcome'],
      why: row['why'],
      event: row['event'],
      features: row['features'],
    }));
  }, 300_000);
  afterAll(() => system?.stop());

  /** A sink has each of these decisions once, with the right values, and the same as the dashboard. */
  function check(seen: readonly Seen[], keys: readonly string[]): void {
    expect(seen.map(({ eventKey }) => eventKey).toSorted()).toEqual(keys.toSorted());
    const shown = new Map(dashboard.map((row) => [row.eventKey, row]));
    for (const row of seen) {
      const { view, y } = expected.get(row.eventKey)!;
      expect(row).toMatchObject({
        eventId: view.viewId,
        user: view.user,
        page: view.page,
        eventTime: view.viewedAt,
        model: 'linear@2',
        outcome: outcomeOf(row.y),
        why: `interest on a ${view.device}`,
      });
      expect(Math.abs(row.y - y)).toBeLessThanOrEqual(y * 1e-6);
      expect(row.y).toBe(shown.get(row.eventKey)!.y);
    }
  }

  test('Postgres holds every decision with its event and features', () => {
    check(dashboard, [...expected.keys()]);
    for (const { eventKey, event, features } of dashboard) {
      const {
        view,
        features: [dwell, userViews, pageMean],
      } = expected.get(eventKey)!;
      expect(event).toEqual(view);
      expect(features).toEqual({ dwell, user_views_1h: userViews, page_mean_dwell_2h: pageMean });
    }
    expect(new Set(dashboard.map(({ outcome }) => outcome))).toEqual(new Set(['promote', 'keep', 'demote']));
    expect(new Set(dashboard.map(({ user }) => user)).size).toBe(18);
  });

  test('the decisions topic holds those that its condition selects, by user', async () => {
    const records = [...(await readTopic(system, decisionsTopic(system.name))).values()].flat();
    const byKey = new Map(records.map((record) => [record.texts[eventKeyHeader]!, record]));
    const seen = [...byKey.values()].map(({ key, value }) => {
      const { eventKey, eventId, entities, eventTime, prediction, model, outcome, why } = JSON.parse(
        Buffer.from(value!).toString(),
      );
      expect(Buffer.from(key!).toString()).toBe(entities.user);
      return {
        eventKey,
        eventId,
        ...entities,
        eventTime,
        y: prediction.y,
        model: `${model.name}@${model.version}`,
        outcome,
        why,
      } as Seen;
    });
    check(
      seen,
      dashboard.filter(({ outcome }) => outcome !== 'keep').map(({ eventKey }) => eventKey),
    );
  });

  test('the lake holds every decision in typed columns', async () => {
    const files = join(system.dataDir, 'lake', `pipeline=${system.name}`, '**', '*.parquet');
    const instance = await DuckDBInstance.create(':memory:');
    const duck = await instance.connect();
    try {
      const query = async () =>
        (
          await duck.runAndReadAll(
            `select *, epoch_ms(event_time)::double as event_ms from read_parquet('${files}', hive_partitioning = true, union_by_name = true)`,
          )
        ).getRowObjectsJson();
      // Until the first roll-up there is no file to read.
      const rows = await until(
        'all rows in the lake',
        async () =>
          query().then(
            (found) => found.length >= expected.size && found,
            () => undefined,
          ),
        { everyMs: 500, detail: () => system.logs() },
      );
      const seen = rows.map(
        (row) =>
          ({
            eventKey: row['event_key'],
            eventId: row['event_id'],
            user: row['entity_user'],
            page: row['entity_page'],
            eventTime: new Date(Number(row['event_ms'])).toISOString(),
            y: row['prediction_y'],
            model: `${row['model_name'] as string}@${row['model_version'] as string}`,
            outcome: row['outcome'],
            why: row['why'],
          }) as Seen,
      );
      check(seen, [...expected.keys()]);
      for (const row of rows) {
        const { view, features } = expected.get(row['event_key'] as string)!;
        expect([row['feature_dwell'], row['feature_user_views_1h'], row['feature_page_mean_dwell_2h']]).toEqual(
          features,
        );
        expect([
          row['field_user'],
          row['field_device'],
          row['field_dwellSeconds'],
          JSON.parse(row['field_tags'] as string),
        ]).toEqual([view.user, view.device, view.dwellSeconds, view.tags]);
        const { field_viewedAt: viewedAt, field_serial: serial, field_labels: labels, field_trail: trail } = row;
        expect([
          Date.parse(`${viewedAt as string}Z`),
          serial,
          JSON.parse(labels as string),
          JSON.parse(trail as string),
        ]).toEqual([Date.parse(view.viewedAt), view.serial, view.labels, view.trail]);
      }
    } finally {
      duck.closeSync();
      instance.closeSync();
    }
  });

  test('nothing was reviewed or refused', async () => {
    expect(await reviewedKeys(system)).toEqual([]);
    expect([...(await readTopic(system, `${system.name}.dead-letters`)).values()].flat()).toEqual([]);
  });
});

describe('its definition', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'headrace-types-'));
    const paths = { headrace: [join(root, 'index.ts')] };
    symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
    writeFileSync(
      join(folder, 'tsconfig.json'),
      JSON.stringify({
        extends: join(root, 'tsconfig.json'),
        compilerOptions: { paths, types: [] },
        include: ['*.ts'],
        exclude: [],
      }),
    );
    writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  /** What the compiler says of a pipeline file in a folder of its own. */
  async function compile(source: string): Promise<string> {
    writeFileSync(join(folder, 'index.ts'), source);
    const compiler = join(root, 'node_modules/typescript/bin/tsc');
    return promisify(execFile)(process.execPath, [compiler, '--noEmit', '-p', folder]).then(
      ({ stdout }) => stdout,
      ({ stdout }: { stdout: string }) => stdout,
    );
  }

  const source = pageViewsSource({ name: 'views', topic: 'views', partitions: 2 });

  test('is typed from end to end', async () => {
    expect(await compile(source)).toBe('');
    expect(await compile(source.replace("entity: 'user'", "entity: 'customer'"))).toMatch(
      /index\.ts\(.*Type '"customer"' is not assignable to type '[^']*"user"/s,
    );
    expect(await compile(source.replace('event.viewId', 'event.transactionId'))).toMatch(
      /index\.ts\(.*Property 'transactionId' does not exist/s,
    );
  });
});
