import type { Consumer } from 'kafkajs';
import { beforeEach, expect, test } from 'vitest';
import { FirstPoll } from '../../kafka/first-poll.ts';
import { failedPoll } from '../../kafka/coordinator-failover.ts';

let resumed: number[];
let poll: FirstPoll;
let tell: (event: string, payload?: object) => void;

beforeEach(() => {
  const listeners = new Map<string, (event: { payload?: object }) => void>();
  const consumer = {
    events: { GROUP_JOIN: 'join', FETCH_START: 'begin', FETCH: 'end' },
    on: (event: string, listener: (event: { payload?: object }) => void) => listeners.set(event, listener),
  };
  resumed = [];
  poll = new FirstPoll(consumer as unknown as Consumer, (partition) => void resumed.push(partition));
  tell = (event, payload) => listeners.get(event)!({ payload });
  tell('join');
});

const begin = (...nodes: number[]) => nodes.forEach((nodeId) => tell('begin', { nodeId }));
const end = (...nodes: number[]) => nodes.forEach((nodeId) => tell('end', { nodeId, numberOfBatches: 0 }));
/** kafkajs tells of the end of most of these as well. */
const fail = (nodeId: number) => {
  tell('end', { numberOfBatches: failedPoll });
  end(nodeId);
};

test('what is resumed waits until the first polls of all brokers have ended', () => {
  poll.resume(0);
  begin(1, 2);
  end(1);
  expect(resumed).toEqual([]);
  end(2);
  expect(resumed).toEqual([0]);
  poll.resume(1);
  expect(resumed).toEqual([0, 1]);
});

test('a first poll that failed is none: those after it count', () => {
  poll.resume(0);
  begin(1, 2);
  fail(2);
  end(1);
  expect(resumed).toEqual([]);
  begin(1);
  end(1);
  expect(resumed).toEqual([0]);
});

test('a broker that is polled no more holds up nothing', () => {
  poll.resume(0);
  begin(1, 2);
  fail(2);
  end(1);
  for (let i = 0; i < 2; i++) {
    begin(1);
    end(1);
  }
  expect(resumed).toEqual([0]);
});

test('a new assignment begins anew, and polls of before it end nothing', () => {
  begin(1);
  tell('join');
  poll.resume(0);
  begin(2);
  end(1);
  expect(resumed).toEqual([]);
  end(2);
  expect(resumed).toEqual([0]);
});
