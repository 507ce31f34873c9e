import { expect, test } from 'vitest';
import { featuresByName } from '../../contracts/features-frame.ts';
import type { DecisionRow } from '../../sinks/port.ts';
import { paymentsPipeline } from '../live/payments.ts';
import { Rig } from './rig.ts';

test('each row has all that was recorded of its own event, beside rows that were refused', async () => {
  const delivered: DecisionRow[] = [];
  const rig = new Rig({
    pipeline: paymentsPipeline({ name: 'p', topic: 't', sinks: ['dashboard'] }),
    // The second is no event, because it has no amount; the model refuses the third.
    amounts: [5, Number.NaN, 7, 75_000, 80_000],
    model: {
      rowsMax: () => Promise.resolve(Infinity),
      predict: (_pipeline, features, rows) => Promise.resolve({ version: '7', predictions: Float32Array.from({ length: rows }, (_, row) => (features[row * 3] === 7 ? Number.NaN : features[row * 3]! + 0.5)) }),
    },
    deliver: ({ rows }) => Promise.resolve(void delivered.push(...rows)),
  });
  const { worker, decisions } = await rig.score();
  expect(await worker.deliver('dashboard', decisions.header.id)).toBe(3);
  const expected = [[0, 5, 'approve', 5], [3, 75_000, 'review', 75_012], [4, 80_000, 'block', 155_012]] as const;
  expect(delivered.map(({ eventKey, eventId, offset, recordTimeMs, eventTimeMs, entities, event, features, prediction, model, degraded, late, outcome, why }) => (
    { eventKey, eventId, offset, recordTimeMs, eventTimeMs, entities, event, features: featuresByName(features), prediction, model, degraded, late, outcome, why }
  ))).toEqual(expected.map(([offset, amount, outcome, sum]) => ({
    eventKey: `local:p:0:t:0:${offset}`, eventId: `p${offset}`, offset, recordTimeMs: 1_700_000_000_000 + offset, eventTimeMs: 1_700_000_000_000 + offset,
    entities: { account: 'a' }, event: { id: `p${offset}`, account: 'a', amount, at: 1_700_000_000_000 + offset },
    features: { amount, count_1h: expect.any(Number) as number, sum_1h: sum }, prediction: { y: amount + 0.5 }, model: { name: 'linear', version: '7' },
    degraded: false, late: false, outcome, why: expect.any(String) as string,
  })));
  expect(new Set(delivered.map(({ why }) => why)).size).toBe(3);
});
