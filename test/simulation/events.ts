import type { Chain } from '../../contracts/event-key.ts';

/** The one topic of the simulation. */
export function chainOf(partition: number): Chain {
  return { deployment: 'sim', pipeline: 'orders', epoch: 0, topic: 'orders', partition };
}

/** The value of a record that can never become an event. */
export const poison = Buffer.from('poison');
