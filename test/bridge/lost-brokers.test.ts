import { createRequire } from 'node:module';
import { setImmediate } from 'node:timers/promises';
import kafkajs from 'kafkajs';
import { beforeEach, describe, expect, test, vi } from 'vitest';
import { failedPoll, installLossOfBrokers, type ConsumerGroup } from '../../bridge/lost-brokers.ts';

const require = createRequire(import.meta.url);
const { KafkaJSConnectionClosedError, KafkaJSNumberOfRetriesExceeded } = require('kafkajs/src/errors') as Record<string, new (message: string | Error, details?: object) => Error>;
const KafkaGroup = require('kafkajs/src/consumer/consumerGroup') as { new (options: object): ConsumerGroup; prototype: ConsumerGroup };

const now = { interval: 0 };
const refused = new kafkajs.KafkaJSConnectionError('connect ECONNREFUSED');
const timedOut = new kafkajs.KafkaJSRequestTimeoutError('Request Heartbeat timed out');
const answer = (type: string) => new kafkajs.KafkaJSProtocolError({ type, code: 1, retriable: true, message: type } as never);

beforeEach(() => installLossOfBrokers());

/** A broker that takes heartbeats, or rejects them with this. */
function newBroker(nodeId: string, error?: Error) {
  return { nodeId, heartbeat: vi.fn<(heartbeat: object) => Promise<void>>(() => (error ? Promise.reject(error) : Promise.resolve())), disconnect: vi.fn<() => Promise<void>>(() => Promise.resolve()) };
}

/** A group of kafkajs's own with this coordinator, and what comes of looking for another. */
function newGroup(coordinator: ReturnType<typeof newBroker>, search: () => Promise<ReturnType<typeof newBroker>>) {
  const findGroupCoordinator = vi.fn<(group: { groupId: string }) => Promise<ReturnType<typeof newBroker>>>(search);
  const emit = vi.fn<(event: string, payload: object) => void>();
  const group = new KafkaGroup({ groupId: 'a group', cluster: { findGroupCoordinator, refreshMetadataIfNecessary: () => Promise.reject(refused) }, logger: { namespace: () => ({}) }, instrumentationEmitter: { emit } });
  return Object.assign(group, { memberId: 'a member', generationId: 7, lastRequest: 0, coordinator, offsetManager: { coordinator }, findGroupCoordinator, emit });
}

/** As often as polls come, until the search has ended. */
async function heartbeats(group: ConsumerGroup): Promise<void> {
  for (let i = 0; i < 3; i++) {
    await group.heartbeat(now);
    await setImmediate();
  }
}

describe('a heartbeat', () => {
  test.each([
    ['a connection that is refused', refused],
    ['a connection that was closed', new KafkaJSConnectionClosedError!('Closed connection')],
    ['no answer', timedOut],
    ['the word that another one is the coordinator', answer('NOT_COORDINATOR_FOR_GROUP')],
  ])('after one that met %s goes to another broker, as of the same member, and so do commits', async (_, error) => {
    const other = newBroker('2');
    const group = newGroup(newBroker('1', error), () => Promise.resolve(other));
    await heartbeats(group);
    expect(group.findGroupCoordinator).toHaveBeenCalledExactlyOnceWith({ groupId: 'a group' });
    expect(other.heartbeat).toHaveBeenCalledWith({ groupId: 'a group', memberId: 'a member', groupGenerationId: 7 });
    expect(group.offsetManager.coordinator).toBe(other);
  });

  test('that has no answer closes the connection, which would pass for a good one', async () => {
    const silent = newBroker('1', timedOut);
    await newGroup(silent, () => Promise.resolve(newBroker('2'))).heartbeat(now);
    expect(silent.disconnect).toHaveBeenCalledOnce();
  });

  test('is left out while a search goes on, which holds up no poll and is one for all of them', async () => {
    let find: (broker: ReturnType<typeof newBroker>) => void = () => {};
    const lost = newBroker('1', refused);
    const group = newGroup(lost, () => new Promise((resolve) => (find = resolve)));
    await Promise.all([group.heartbeat(now), group.heartbeat(now)]);
    await heartbeats(group);
    expect(group.findGroupCoordinator).toHaveBeenCalledOnce();
    expect(lost.heartbeat).toHaveBeenCalledOnce();
    const other = newBroker('2');
    find(other);
    await heartbeats(group);
    expect(other.heartbeat).toHaveBeenCalled();
  });

  test.each([
    ['nobody is reached', new KafkaJSNumberOfRetriesExceeded!(refused, {})],
    ['nobody is the coordinator yet', new KafkaJSNumberOfRetriesExceeded!(answer('GROUP_COORDINATOR_NOT_AVAILABLE'), {})],
  ])('looks again when %s', async (_, error) => {
    const lost = newBroker('1', refused);
    const group = newGroup(lost, () => Promise.reject(error));
    await heartbeats(group);
    expect(group.coordinator).toBe(lost);
    expect(group.findGroupCoordinator.mock.calls.length).toBeGreaterThan(1);
  });

  test('rejects when looking for a coordinator is not allowed', async () => {
    const denied = answer('GROUP_AUTHORIZATION_FAILED');
    await expect(heartbeats(newGroup(newBroker('1', refused), () => Promise.reject(denied)))).rejects.toBe(denied);
  });

  test('leaves as it is what the coordinator answers', async () => {
    const unknown = answer('UNKNOWN_MEMBER_ID');
    const group = newGroup(newBroker('1', unknown), () => Promise.resolve(newBroker('2')));
    await expect(group.heartbeat(now)).rejects.toBe(unknown);
    expect(group.findGroupCoordinator).not.toHaveBeenCalled();
  });

  test('that succeeds takes commits along, when they have gone back to a coordinator of before', async () => {
    const coordinator = newBroker('2');
    const group = newGroup(coordinator, () => Promise.reject(new Error('nobody looks')));
    group.offsetManager.coordinator = newBroker('1');
    await group.heartbeat(now);
    expect(group.offsetManager.coordinator).toBe(coordinator);
  });
});

describe('a poll', () => {
  test('that does not reach its broker brings nothing, and says so', async () => {
    const group = newGroup(newBroker('1'), () => Promise.reject(refused));
    await expect(group.fetch('3')).resolves.toEqual([]);
    expect(group.emit).toHaveBeenCalledExactlyOnceWith('consumer.fetch', { nodeId: '3', numberOfBatches: failedPoll, duration: 0 });
    const { Kafka } = kafkajs;
    expect(new Kafka({ brokers: ['127.0.0.1:1'] }).consumer({ groupId: 'g' }).events.FETCH).toBe('consumer.fetch');
  });

  test('rejects with what a broker answers', async () => {
    const group = newGroup(newBroker('1'), () => Promise.reject(refused));
    const odd = answer('TOPIC_AUTHORIZATION_FAILED');
    Object.assign(group, { cluster: { refreshMetadataIfNecessary: () => Promise.reject(odd) } });
    await expect(group.fetch('3')).rejects.toBe(odd);
  });
});

test('installing it twice wraps once', () => {
  const { heartbeat, fetch } = KafkaGroup.prototype;
  installLossOfBrokers();
  expect(KafkaGroup.prototype).toMatchObject({ heartbeat, fetch });
});
