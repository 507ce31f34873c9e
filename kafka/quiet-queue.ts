import { kafkajsModule } from './kafkajs-internals.ts';

/** The parts of kafkajs's queue of one connection that take part in this. */
export interface RequestQueue {
  pending: unknown[];
  /** A time, when the broker has asked this client to slow down. */
  throttledUntil: number;
  scheduleCheckPendingRequests: (() => void) & { isOurs?: true };
}

/**
 * Keeps kafkajs from looking after requests that wait when none does. By itself it looks again and again with a time-out below zero: each
 * connection costs a timer every millisecond for as long as it lives, and Node 24 prints a warning. May be called again.
 */
export function installQuietQueue(): void {
  const { prototype } = kafkajsModule<{ prototype: RequestQueue }>('network/requestQueue');
  const { scheduleCheckPendingRequests } = prototype;
  if (scheduleCheckPendingRequests.isOurs) return;
  prototype.scheduleCheckPendingRequests = Object.assign(
    function scheduleIfPending(this: RequestQueue) {
      if (this.pending.length > 0 || this.throttledUntil > Date.now()) scheduleCheckPendingRequests.call(this);
    },
    { isOurs: true as const },
  );
}
