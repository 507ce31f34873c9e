import { createRequire } from 'node:module';
import kafkajs from 'kafkajs';
import { expect, test, vi } from 'vitest';
import { installCoordinatorSearch, type ConsumerGroup } from '../../bridge/lost-coordinator.ts';

const require = createRequire(import.meta.url);
const { KafkaJSConnectionClosedError, KafkaJSNumberOfRetriesExceeded } = require('kafkajs/src/errors') as Record<string, new (message: string, details?: object) => Error>;
const KafkaGroup = require('kafkajs/src/consumer/consumerGroup') as { new (options: object): ConsumerGroup; prototype: ConsumerGroup };

const now = { interval: 0 };

/** A group of kafkajs's own whose coordinator rejects heartbeats with this, and what is found when it is looked for. */
function groupThatLost(error: Error, search: () => Promise<object>) {
  installCoordinatorSearch();
  const findGroupCoordinator = vi.fn<(group: { groupId: string }) => Promise<object>>(search);
  const lost = { heartbeat: vi.fn<() => Promise<void>>(() => Promise.reject(error)) };
  const group = new KafkaGroup({ groupId: 'a group', cluster: { findGroupCoordinator }, logger: { namespace: () => ({}) }, instrumentationEmitter: { emit: () => undefined } });
  return Object.assign(group, { memberId: 'a member', generationId: 7, lastRequest: 0, coordinator: lost, offsetManager: { coordinator: lost }, findGroupCoordinator });
}

test.each([
  ['a connection that is refused', new kafkajs.KafkaJSConnectionError('connect ECONNREFUSED')],
  ['a connection that was closed', new KafkaJSConnectionClosedError!('Closed connection')],
  ['no answer', new kafkajs.KafkaJSRequestTimeoutError('Request Heartbeat timed out')],
])('a heartbeat that meets %s goes to another coordinator, as of the same member, and so do commits', async (_, error) => {
  const other = { heartbeat: vi.fn<(heartbeat: object) => Promise<void>>(() => Promise.resolve()) };
  const group = groupThatLost(error, () => Promise.resolve(other));
  await group.heartbeat(now);
  expect(group.findGroupCoordinator).toHaveBeenCalledExactlyOnceWith({ groupId: 'a group' });
  expect(other.heartbeat).toHaveBeenCalledExactlyOnceWith({ groupId: 'a group', memberId: 'a member', groupGenerationId: 7 });
  expect(group.offsetManager.coordinator).toBe(other);
});

test('while there is no other one, it rejects with what kafkajs tries again because of', async () => {
  const error = new kafkajs.KafkaJSConnectionError('connect ECONNREFUSED');
  const group = groupThatLost(error, () => Promise.reject(new KafkaJSNumberOfRetriesExceeded!('no coordinator', {})));
  const { coordinator } = group;
  await expect(group.heartbeat(now)).rejects.toBe(error);
  expect(group.coordinator).toBe(coordinator);
});

test('what the coordinator itself answers stays as it is', async () => {
  const answer = new kafkajs.KafkaJSProtocolError({ type: 'UNKNOWN_MEMBER_ID', code: 25, retriable: true, message: 'unknown' } as never);
  const group = groupThatLost(answer, () => Promise.resolve({}));
  await expect(group.heartbeat(now)).rejects.toBe(answer);
  expect(group.findGroupCoordinator).not.toHaveBeenCalled();
});

test('installing it twice wraps once', () => {
  installCoordinatorSearch();
  const { heartbeat } = KafkaGroup.prototype;
  installCoordinatorSearch();
  expect(KafkaGroup.prototype.heartbeat).toBe(heartbeat);
});
