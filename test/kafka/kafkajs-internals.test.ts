import { expect, test } from 'vitest';
import { assertTested } from '../../kafka/kafkajs-internals.ts';

test('another kafkajs than the tested one is refused', () => {
  expect(() => assertTested({ version: '2.2.5' })).toThrow('kafkajs is 2.2.5, and Headrace reaches into 2.2.4');
});
