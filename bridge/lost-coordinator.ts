import { createRequire } from 'node:module';
import kafkajs from 'kafkajs';

/**
 * kafkajs looks for the coordinator of a group only when it joins the group. Where the broker that was it has died, heartbeats and commits
 * go to the dead one, until the consumer gives up and begins anew: as another member, which has to wait until the group has forgotten the
 * first one. Here a coordinator that cannot be reached is looked for among the other brokers. The new one knows the group's members, so
 * that nobody has to join again.
 */

/** The parts of kafkajs's class that take part in this. */
export interface ConsumerGroup {
  groupId: string;
  cluster: { findGroupCoordinator: (group: { groupId: string }) => Promise<object> };
  coordinator: object;
  /** Commits have a coordinator of their own. */
  offsetManager: { coordinator: object };
  heartbeat: ((options: { interval: number }) => Promise<void>) & { isOurs?: true };
}

function isUnreachable(error: unknown): boolean {
  return error instanceof kafkajs.KafkaJSConnectionError || error instanceof kafkajs.KafkaJSRequestTimeoutError;
}

/** Makes all consumers of this process look for another coordinator when theirs is gone. May be called again. */
export function installCoordinatorSearch(): void {
  const { prototype } = createRequire(import.meta.url)('kafkajs/src/consumer/consumerGroup') as { prototype: ConsumerGroup };
  const { heartbeat } = prototype;
  if (heartbeat.isOurs) return;
  async function heartbeatAnywhere(this: ConsumerGroup, options: { interval: number }): Promise<void> {
    try {
      await heartbeat.call(this, options);
    } catch (error) {
      if (!isUnreachable(error)) throw error;
      // When nobody is the coordinator yet, kafkajs tries again because of the first error; what the search rejects with would end the consumer.
      const found = await this.cluster.findGroupCoordinator({ groupId: this.groupId }).catch(() => Promise.reject(error as Error));
      this.coordinator = found;
      this.offsetManager.coordinator = found;
      await heartbeat.call(this, options);
    }
  }
  prototype.heartbeat = Object.assign(heartbeatAnywhere, { isOurs: true as const });
}
