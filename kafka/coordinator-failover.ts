import kafkajs from 'kafkajs';
import { kafkajsModule } from './kafkajs-internals.ts';

/**
 * What kafkajs's consumers do when one of several brokers is lost. By themselves they send heartbeats and commits to the coordinator that
 * they have joined with, dead or not; and a broker that refuses connections costs tries, which are counted until the consumer joins again,
 * not in a row. When the tries are used up the consumer begins anew, as another member, which the group lets in when it has forgotten the
 * first one. Here the coordinator is looked for among the other brokers, who know the group's members as well; and a poll that cannot
 * connect is an empty one. What lasts longer than a cluster needs to choose other brokers goes kafkajs's own way: it may be that only we
 * do not reach the broker, and another bridge does.
 */

interface Broker {
  nodeId: number;
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
  /** What a poll does about an error; it comes again when this resolves. */
  recoverFromFetch: (error: Error) => Promise<void>;
}

/** Between tries that would be refused at once. */
const restMs = 250;
/** Three times what a cluster needs by default to notice that a broker is dead. */
const lossMsMax = 30_000;
/** What has not failed for so long fails anew. */
const breakMs = 15_000;
/** In kafkajs's event of a poll, where it tells how many fetches came: a poll has failed, whatever it tells of its end. */
export const failedPoll = -1;

/** Not a time-out: the connection is open then, and nobody knows what holds the answer up. */
const isLost = (error: unknown) => error instanceof kafkajs.KafkaJSConnectionError;

/** A broker's answer that somebody else coordinates the group. */
function isElsewhere(error: unknown): boolean {
  return error instanceof kafkajs.KafkaJSProtocolError && error.type === 'NOT_COORDINATOR_FOR_GROUP';
}

const rest = () => new Promise<void>((resolve) => setTimeout(resolve, restMs));

/** What a group has lost. */
class Losses {
  isSearching = false;
  readonly #lost = new Map<string, { error: unknown; sinceMs: number; lastMs: number }>();

  /** Notes that something fails, by default as it did before. Throws the error when it has done so for too long. */
  bear(what: string, error = this.#lost.get(what)?.error): void {
    const nowMs = performance.now();
    const before = this.#lost.get(what);
    const sinceMs = before && nowMs - before.lastMs < breakMs ? before.sinceMs : nowMs;
    this.#lost.set(what, { error, sinceMs, lastMs: nowMs });
    if (nowMs - sinceMs > lossMsMax) throw error;
  }

  isOver(what: string): void {
    this.#lost.delete(what);
  }
}

const losses = new WeakMap<ConsumerGroup, Losses>();

function lossesOf(group: ConsumerGroup): Losses {
  let known = losses.get(group);
  if (!known) losses.set(group, (known = new Losses()));
  return known;
}

/** Looks for a coordinator and makes it the group's. Nobody waits for that: polls go on meanwhile. */
async function search(group: ConsumerGroup, state: Losses): Promise<void> {
  const lost = group.coordinator;
  state.isSearching = true;
  try {
    await rest();
    const found = await group.cluster.findGroupCoordinator({ groupId: group.groupId });
    // Or the group has joined meanwhile, and knows better.
    if (group.coordinator === lost) setCoordinator(group, found);
  } catch {
    // kafkajs has logged why there is none. The next heartbeat looks again, and has a bound.
  } finally {
    state.isSearching = false;
  }
}

function setCoordinator(group: ConsumerGroup, coordinator: Broker): void {
  group.coordinator = coordinator;
  group.offsetManager.coordinator = coordinator;
}

async function heartbeatAnywhere(group: ConsumerGroup, heartbeat: () => Promise<void>): Promise<void> {
  const state = lossesOf(group);
  if (state.isSearching) return state.bear('coordinator');
  try {
    await heartbeat();
  } catch (error) {
    if (!isLost(error) && !isElsewhere(error)) throw error;
    state.bear('coordinator', error);
    if (!state.isSearching) void search(group, state);
    return;
  }
  state.isOver('coordinator');
  // A commit that was connecting to the old one meanwhile may have put it back.
  if (group.offsetManager.coordinator.nodeId !== group.coordinator.nodeId) setCoordinator(group, group.coordinator);
}

/** Makes all consumers of this process bear the loss of a broker. May be called again. */
export function installCoordinatorFailover(): void {
  const { prototype } = kafkajsModule<{ prototype: ConsumerGroup }>('consumer/consumerGroup');
  const { heartbeat, recoverFromFetch } = prototype;
  if (heartbeat.isOurs) return;
  prototype.heartbeat = Object.assign(
    function heartbeatOfOurs(this: ConsumerGroup, options: { interval: number }) {
      return heartbeatAnywhere(this, () => heartbeat.call(this, options));
    },
    { isOurs: true as const },
  );
  prototype.recoverFromFetch = async function recoverOrRest(error) {
    this.instrumentationEmitter.emit('consumer.fetch', { numberOfBatches: failedPoll });
    try {
      await recoverFromFetch.call(this, error);
    } catch (thrown) {
      if (!isLost(thrown)) throw thrown;
      lossesOf(this).bear(`poll of ${(thrown as { broker?: string }).broker}`, thrown);
      await rest();
    }
  };
}
