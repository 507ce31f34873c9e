import { partitionOf, type PartitionRef, type TopicRef } from '../../contracts/event-key.ts';

/** The one topic of the simulation. */
export const topic: TopicRef = { deployment: 'sim', pipeline: 'orders', epoch: 0, topic: 'orders' };

export function refOf(partition: number): PartitionRef {
  return partitionOf(topic, partition);
}

/** The value of a record that can never become an event. */
export const poison = Buffer.from('poison');
