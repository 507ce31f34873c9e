import { createRequire } from 'node:module';
import { setTimeout as delay } from 'node:timers/promises';
import kafkajs from 'kafkajs';

/**
 * What kafkajs's consumers do when one of several brokers is lost. By themselves they send heartbeats and commits to the coordinator that
 * they have joined with, dead or not; and a broker that cannot be reached costs tries, which are counted until the consumer joins again,
 * not in a row. When the tries are used up the consumer begins anew, as another member, which the group lets in when it has forgotten the
 * first one. Here the coordinator is looked for among the other brokers, who know the group's members as well; and a poll that does not
 * reach its broker is an empty one. A consumer that gets nowhere with that is noticed by the bridge, which builds another.
 */

interface Broker {
  nodeId: string;
  disconnect(): Promise<void>;
}

/** The parts of kafkajs's class that take part in this. */
export interface ConsumerGroup {
  groupId: string;
  cluster: { findGroupCoordinator: (group: { groupId: string }) => Promise<Broker> };
  coordinator: Broker;
  /** Commits have a coordinator of their own. */
  offsetManager: { coordinator: Broker };
  instrumentationEmitter: { emit: (event: string, payload: object) => void };
  heartbeat: ((options: { interval: number }) => Promise<void>) & { isOurs?: true };
  fetch: (nodeId: string) => Promise<unknown[]>;
}

/** Poll after poll would be refused at once. */
const restMs = 250;
/** In kafkajs's event of a poll, where it tells how many fetches came: none, and nobody knows whether there are any. */
export const failedPoll = -1;

const isTimeout = (error: unknown) => error instanceof kafkajs.KafkaJSRequestTimeoutError;
const isUnreachable = (error: unknown) => error instanceof kafkajs.KafkaJSConnectionError || isTimeout(error);

/** A broker's answer that somebody else coordinates the group. */
function isElsewhere(error: unknown): boolean {
  return error instanceof kafkajs.KafkaJSProtocolError && error.type === 'NOT_COORDINATOR_FOR_GROUP';
}

/** Whether a search failed because there is no coordinator yet, or none in reach. */
function isNobodyThere(error: unknown): boolean {
  for (let each = error; each instanceof Error; each = each.cause) {
    if (isUnreachable(each) || each.name === 'KafkaJSGroupCoordinatorNotFound' || (each as { type?: unknown }).type === 'GROUP_COORDINATOR_NOT_AVAILABLE') return true;
  }
  return false;
}

/** Searches of groups whose coordinator is lost: under way, or failed with what the next heartbeat rejects with. */
const searches = new WeakMap<ConsumerGroup, { error?: Error }>();

/** Looks for a coordinator and makes it the group's. Nobody waits for that: polls of other brokers go on meanwhile. */
async function search(group: ConsumerGroup): Promise<void> {
  const state: { error?: Error } = {};
  searches.set(group, state);
  try {
    setCoordinator(group, await group.cluster.findGroupCoordinator({ groupId: group.groupId }));
    searches.delete(group);
  } catch (error) {
    // kafkajs has logged why nobody is there. The next heartbeat looks again.
    if (isNobodyThere(error)) searches.delete(group);
    else state.error = error as Error;
  }
}

function setCoordinator(group: ConsumerGroup, coordinator: Broker): void {
  group.coordinator = coordinator;
  group.offsetManager.coordinator = coordinator;
}

/** Makes all consumers of this process bear the loss of a broker. May be called again. */
export function installLossOfBrokers(): void {
  const { prototype } = createRequire(import.meta.url)('kafkajs/src/consumer/consumerGroup') as { prototype: ConsumerGroup };
  const { heartbeat, fetch } = prototype;
  if (heartbeat.isOurs) return;

  async function heartbeatAnywhere(this: ConsumerGroup, options: { interval: number }): Promise<void> {
    const searching = searches.get(this);
    if (searching) {
      if (searching.error === undefined) return;
      searches.delete(this);
      throw searching.error;
    }
    const { coordinator } = this;
    try {
      await heartbeat.call(this, options);
    } catch (error) {
      if (!isUnreachable(error) && !isElsewhere(error)) throw error;
      // Or its connection would be taken for a good one: it is open, and silent.
      if (isTimeout(error)) await coordinator.disconnect();
      if (!searches.has(this)) void search(this);
      return;
    }
    // A commit that was connecting to the old one meanwhile may have put it back.
    if (this.offsetManager.coordinator.nodeId !== this.coordinator.nodeId) setCoordinator(this, this.coordinator);
  }

  prototype.heartbeat = Object.assign(heartbeatAnywhere, { isOurs: true as const });
  prototype.fetch = async function fetchOrNothing(nodeId) {
    try {
      return await fetch.call(this, nodeId);
    } catch (error) {
      if (!isUnreachable(error)) throw error;
      this.instrumentationEmitter.emit('consumer.fetch', { nodeId, numberOfBatches: failedPoll, duration: 0 });
      await delay(restMs);
      return [];
    }
  };
}
