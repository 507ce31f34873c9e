import { createRequire } from 'node:module';
import kafkajs from 'kafkajs';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { failedPoll, installCoordinatorFailover, type ConsumerGroup } from '../../kafka/coordinator-failover.ts';

const require = createRequire(import.meta.url);
const { KafkaJSConnectionClosedError } = require('kafkajs/src/errors') as Record<
  string,
  new (
    message: string | Error,
    details?: object,
  ) => Error
>;
const KafkaGroup = require('kafkajs/src/consumer/consumerGroup') as {
  new (options: object): ConsumerGroup & { fetch: (nodeId: string) => Promise<unknown[]> };
  prototype: ConsumerGroup;
};

const now = { interval: 0 };
const refused = new kafkajs.KafkaJSConnectionError('connect ECONNREFUSED');
const answer = (type: string) =>
  new kafkajs.KafkaJSProtocolError({ type, code: 1, retriable: true, message: type } as never);

beforeEach(() => {
  installCoordinatorFailover();
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
});
afterEach(() => void vi.useRealTimers());

/** A broker that takes heartbeats, or rejects them with this. */
function newBroker(nodeId: number, error?: Error) {
  return {
    nodeId,
    heartbeat: vi.fn<(heartbeat: object) => Promise<void>>(() => (error ? Promise.reject(error) : Promise.resolve())),
  };
}

/** A group of kafkajs's own with this coordinator, and what comes of looking for another. */
function newGroup(coordinator: ReturnType<typeof newBroker>, search: () => Promise<ReturnType<typeof newBroker>>) {
  const findGroupCoordinator = vi.fn<(group: { groupId: string }) => Promise<ReturnType<typeof newBroker>>>(search);
  const emit = vi.fn<(event: string, payload: object) => void>();
  const group = new KafkaGroup({
    groupId: 'a group',
    topics: [],
    cluster: { findGroupCoordinator },
    logger: { namespace: () => ({}) },
    instrumentationEmitter: { emit },
  });
  return Object.assign(group, {
    memberId: 'a member',
    generationId: 7,
    lastRequest: 0,
    coordinator,
    offsetManager: { coordinator },
    findGroupCoordinator,
    emit,
  });
}

/** As often as polls come, for so long. */
async function heartbeats(group: ConsumerGroup, ms = 1_000): Promise<void> {
  for (let passed = 0; passed < ms; passed += 50) {
    await group.heartbeat(now);
    await vi.advanceTimersByTimeAsync(50);
  }
}

describe('a heartbeat', () => {
  test.each([
    ['a connection that is refused', refused],
    ['a connection that was closed', new KafkaJSConnectionClosedError!('Closed connection')],
    ['the word that another one is the coordinator', answer('NOT_COORDINATOR_FOR_GROUP')],
  ])('after one that met %s goes to another broker, as of the same member, and so do commits', async (_, error) => {
    const other = newBroker(2);
    const group = newGroup(newBroker(1, error), () => Promise.resolve(other));
    await heartbeats(group);
    expect(group.findGroupCoordinator).toHaveBeenCalledExactlyOnceWith({ groupId: 'a group' });
    expect(other.heartbeat).toHaveBeenCalledWith({ groupId: 'a group', memberId: 'a member', groupGenerationId: 7 });
    expect(group.offsetManager.coordinator).toBe(other);
  });

  test('is left out while a search goes on, which is one for all polls', async () => {
    let find: (broker: ReturnType<typeof newBroker>) => void = () => {};
    const lost = newBroker(1, refused);
    const group = newGroup(lost, () => new Promise((resolve) => (find = resolve)));
    await Promise.all([group.heartbeat(now), group.heartbeat(now)]);
    await heartbeats(group);
    expect(group.findGroupCoordinator).toHaveBeenCalledOnce();
    expect(lost.heartbeat).toHaveBeenCalledOnce();
    const other = newBroker(2);
    find(other);
    await heartbeats(group);
    expect(other.heartbeat).toHaveBeenCalled();
  });

  test('looks again when there is no coordinator yet, and gives up when that lasts', async () => {
    const lost = newBroker(1, refused);
    const group = newGroup(lost, () => Promise.reject(answer('GROUP_COORDINATOR_NOT_AVAILABLE')));
    await heartbeats(group, 29_000);
    expect(group.coordinator).toBe(lost);
    expect(group.findGroupCoordinator.mock.calls.length).toBeGreaterThan(50);
    await expect(heartbeats(group, 2_000)).rejects.toBe(refused);
  });

  test('gives up as well when a search does not end', async () => {
    await expect(
      heartbeats(
        newGroup(newBroker(1, refused), () => new Promise(() => {})),
        31_000,
      ),
    ).rejects.toBe(refused);
  });

  test('that has succeeded in between has its time anew', async () => {
    const lost = newBroker(1, refused);
    const group = newGroup(lost, () => Promise.resolve(lost));
    for (let i = 0; i < 4; i++) {
      await heartbeats(group, 20_000);
      lost.heartbeat.mockResolvedValueOnce();
      await heartbeats(group, 1_000);
    }
    expect(group.coordinator).toBe(lost);
  });

  test('leaves the coordinator alone that the group has joined meanwhile', async () => {
    const group = newGroup(newBroker(1, refused), () => Promise.resolve(newBroker(2)));
    await group.heartbeat(now);
    const joined = newBroker(3);
    Object.assign(group, { coordinator: joined, offsetManager: { coordinator: joined } });
    await heartbeats(group);
    expect(group.coordinator).toBe(joined);
  });

  test.each([
    ['UNKNOWN_MEMBER_ID', answer('UNKNOWN_MEMBER_ID')],
    ['a time-out', new kafkajs.KafkaJSRequestTimeoutError('Request Heartbeat timed out')],
  ])('rejects with %s as kafkajs does', async (_, error) => {
    const group = newGroup(newBroker(1, error), () => Promise.resolve(newBroker(2)));
    await expect(group.heartbeat(now)).rejects.toBe(error);
    expect(group.findGroupCoordinator).not.toHaveBeenCalled();
  });

  test('that succeeds takes commits along, when they have gone back to a coordinator of before', async () => {
    const coordinator = newBroker(2);
    const group = newGroup(coordinator, () => Promise.reject(new Error('nobody looks')));
    group.offsetManager.coordinator = newBroker(1);
    await group.heartbeat(now);
    expect(group.offsetManager.coordinator).toBe(coordinator);
  });
});

describe('a poll', () => {
  /** A poll of kafkajs's own, every quarter of a second, that meets this. */
  async function polls(error: Error, ms: number) {
    const group = newGroup(newBroker(1), () => Promise.reject(refused));
    Object.assign(group, {
      cluster: { refreshMetadataIfNecessary: () => Promise.reject(error), removeBroker: () => undefined },
    });
    for (let passed = 0; passed < ms; passed += 250) {
      const poll = group.fetch('3');
      poll.catch(() => undefined);
      await vi.advanceTimersByTimeAsync(250);
      expect(await poll).toEqual([]);
    }
    return group;
  }

  test('that cannot connect is an empty one, and says so', async () => {
    const group = await polls(refused, 250);
    expect(group.emit).toHaveBeenCalledExactlyOnceWith('consumer.fetch', { numberOfBatches: failedPoll });
    expect(new kafkajs.Kafka({ brokers: ['127.0.0.1:1'] }).consumer({ groupId: 'g' }).events.FETCH).toBe(
      'consumer.fetch',
    );
  });

  test('says so as well when kafkajs by itself makes it an empty one', async () => {
    expect((await polls(new KafkaJSConnectionClosedError!('Closed connection'), 250)).emit).toHaveBeenCalledOnce();
  });

  test('rejects when it cannot connect for long', async () => {
    await polls(refused, 29_000);
    await expect(polls(refused, 31_000)).rejects.toBe(refused);
  });

  test('rejects with what a broker answers', async () => {
    const odd = answer('TOPIC_AUTHORIZATION_FAILED');
    await expect(polls(odd, 250)).rejects.toBe(odd);
  });
});

test('installing it twice wraps once', () => {
  const { heartbeat, recoverFromFetch } = KafkaGroup.prototype;
  installCoordinatorFailover();
  expect(KafkaGroup.prototype).toMatchObject({ heartbeat, recoverFromFetch });
});
