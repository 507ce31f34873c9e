import { expect, test } from 'vitest';
import { featuresByName } from '../../contracts/features-frame.ts';
import type { DecisionRow } from '../../contracts/delivery.ts';
import { paymentsPipeline } from '../live/payments.ts';
import { Rig } from '../activities/rig.ts';

test('each row has all that was recorded of its own event, beside rows that were refused', async () => {
  const delivered: DecisionRow[] = [];
  const rig = new Rig({
    pipeline: paymentsPipeline({ name: 'p', topic: 't', sinks: ['dashboard'] }),
    // The second is no event, because it has no amount; the model refuses the third.
    amounts: [5, Number.NaN, 7, 75_000, 80_000],
    amounts1: [Number.NaN, 6],
    model: {
      rowsMax: () => Promise.resolve(Infinity),
      predict: (_pipeline, features, rows) =>
        Promise.resolve({
          version: '7',
          predictions: Float32Array.from({ length: rows }, (_, row) =>
            features[row * 3] === 7 ? Number.NaN : features[row * 3]! + 0.5,
          ),
        }),
    },
    deliver: ({ rows }) => Promise.resolve(void delivered.push(...rows)),
  });
  const { worker, decisions } = await rig.score();
  expect(await worker.deliver('dashboard', decisions.header.id)).toBe(4);
  const expected = [
    [0, 0, 5, 'approve', 5],
    [0, 3, 75_000, 'review', 75_012],
    [0, 4, 80_000, 'block', 155_012],
    [1, 1, 6, 'approve', 155_018],
  ] as const;
  expect(
    delivered.map(
      ({
        eventKey,
        eventId,
        partition,
        offset,
        recordTimeMs,
        eventTimeMs,
        entities,
        event,
        features,
        prediction,
        model,
        degraded,
        late,
        outcome,
        why,
      }) => ({
        eventKey,
        eventId,
        partition,
        offset,
        recordTimeMs,
        eventTimeMs,
        entities,
        event,
        features: featuresByName(features),
        prediction,
        model,
        degraded,
        late,
        outcome,
        why,
      }),
    ),
  ).toEqual(
    expected.map(([partition, offset, amount, outcome, sum]) => ({
      eventKey: `local:p:0:t:${partition}:${offset}`,
      eventId: `p${offset}`,
      partition,
      offset,
      recordTimeMs: 1_700_000_000_000 + offset,
      eventTimeMs: 1_700_000_000_000 + offset,
      entities: { account: 'a' },
      event: { id: `p${offset}`, account: 'a', amount, at: 1_700_000_000_000 + offset },
      features: { amount, count_1h: expect.any(Number) as number, sum_1h: sum },
      prediction: { y: amount + 0.5 },
      model: { name: 'linear', version: '7' },
      degraded: false,
      late: false,
      outcome,
      why: expect.any(String) as string,
    })),
  );
  expect(new Set(delivered.map(({ why }) => why)).size).toBe(3);
});

test('policy and conditions see what was recorded of their own row', async () => {
  const asked: object[] = [];
  const pipeline = paymentsPipeline({ name: 'p', topic: 't', sinks: ['dashboard'] });
  const rig = new Rig({
    pipeline: {
      ...pipeline,
      decide: (input) => {
        asked.push({ ...input });
        return { outcome: input.features['amount']! > 6 ? 'block' : 'approve', why: `sum ${input.features['sum_1h']}` };
      },
      sinks: [
        { sink: 'dashboard', when: (decided) => asked.push({ ...decided }) > 0 && decided.features['count_1h'] === 2 },
      ],
    },
    amounts: [5, 7, 9],
    model: {
      rowsMax: () => Promise.resolve(Infinity),
      predict: (_pipeline, features, rows) =>
        Promise.resolve({
          version: '1',
          predictions: Float32Array.from({ length: rows }, (_, row) => features[row * 3]! * 2),
        }),
    },
    deliver: () => Promise.resolve(),
  });
  const { decisions } = await rig.score();
  expect(decisions.header).toMatchObject({
    outcomeCounts: { approve: 1, block: 2 },
    sinkCounts: { dashboard: 1 },
    whys: ['sum 5', 'sum 12', 'sum 21'],
  });
  expect([...decisions.sinks]).toEqual([0, 1, 0]);
  const input = (row: number, amount: number, sum: number) => ({
    event: { id: `p${row}`, account: 'a', amount, at: 1_700_000_000_000 + row },
    features: { amount, count_1h: row + 1, sum_1h: sum },
    prediction: { y: amount * 2 },
    degraded: false,
  });
  expect(asked).toEqual(
    [
      [0, 5, 5, 'approve'],
      [1, 7, 12, 'block'],
      [2, 9, 21, 'block'],
    ].flatMap(([row, amount, sum, outcome]) => {
      const seen = input(row as number, amount as number, sum as number);
      return [seen, { ...seen, outcome, why: `sum ${sum}` }];
    }),
  );
});
