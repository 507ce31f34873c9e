import type { Consumer } from 'kafkajs';

/** A rest must not put off heartbeats for long. */
const restMsMax = 100;
/** kafkajs hands on as many fetches at once as its `partitionsConsumedConcurrently`, for all brokers together; one rest holds back a broker. */
const restsMax = 32;
/** A lane does not wait longer for a poll: a broker that has nothing new is silent for a while. */
const pollMsMax = 10;

/**
 * Lets a consumer rest between its polls. A poll costs broker and bridge more than a record, and at a low rate each would bring a
 * single one; while all lanes are busy, the next ones can as well come together.
 */
export class PollThrottle {
  readonly #resting = new Set<() => void>();
  #awaited: Promise<void> | undefined;
  #answered: () => void = () => {};

  constructor(consumer: Consumer) {
    // kafkajs hands on what came in the turn of the event loop in which it says so.
    consumer.on(consumer.events.FETCH, () => setImmediate(() => this.#answered()));
  }

  /** For the handler of a poll: kafkajs sends the next one when this resolves. */
  rest(): Promise<void> {
    if (this.#resting.size >= restsMax) return Promise.resolve();
    return new Promise((resolve) => {
      const end = () => {
        clearTimeout(timer);
        this.#resting.delete(end);
        resolve();
      };
      const timer = setTimeout(end, restMsMax);
      this.#resting.add(end);
    });
  }

  /** Ends the rest. */
  wake(): void {
    for (const end of this.#resting) end();
  }

  /** Ends the rest, and resolves when what the next poll brings was handed on, or soon after. Resolves at once when there is no rest. */
  poll(): Promise<void> {
    if (this.#resting.size > 0) {
      this.#awaited ??= new Promise((resolve) => {
        const done = () => {
          clearTimeout(timer);
          this.#awaited = undefined;
          this.#answered = () => {};
          resolve();
        };
        const timer = setTimeout(done, pollMsMax);
        this.#answered = done;
      });
      this.wake();
    }
    return this.#awaited ?? Promise.resolve();
  }
}
