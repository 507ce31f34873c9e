import { expect, it } from 'vitest';
import type { ModelConfig } from '../../inference-client/index.ts';
import { createRowLimits } from '../../inference-client/row-limits.ts';

function setUp(maxBatchSize: number) {
  const state = { asked: [] as string[], clockMs: 0 };
  const limits = createRowLimits(
    async (model) => {
      state.asked.push(model);
      return { maxBatchSize } as ModelConfig;
    },
    () => state.clockMs,
  );
  return { state, of: (model: string) => limits.of(model, { deadlineMs: 1 }), forget: limits.forget.bind(limits) };
}

it('asks once a minute, and again after a load', async () => {
  const { state, of, forget } = setUp(64);
  expect([await of('m'), await of('m')]).toEqual([64, 64]);
  expect(state.asked).toEqual(['m']);
  state.clockMs = 60_000;
  await of('m');
  forget('m');
  await of('m');
  expect(state.asked).toEqual(['m', 'm', 'm']);
});

it('does not cut for a model without a row dimension', async () => {
  expect(await setUp(0).of('m')).toBe(Infinity);
});

it('remembers a bounded number of models', async () => {
  const { state, of } = setUp(8);
  for (let index = 0; index <= 256; index++) await of(`m${index}`);
  await of('m1');
  expect(state.asked).toHaveLength(257);
  await of('m0');
  expect(state.asked).toHaveLength(258);
});
