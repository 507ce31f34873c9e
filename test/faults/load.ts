import { setTimeout as sleep } from 'node:timers/promises';
import type { Message } from 'kafkajs';
import type { Payment } from '../live/payments.ts';
import type { Ledger, ProduceOutcome } from './ledger.ts';
import type { FaultSystem } from './system/fault-system.ts';

const startMs = Date.UTC(2026, 0, 1);
/** How many sends a second the rate is spread over. */
const sendsPerSecond = 10;

/** The `i`-th event of every run. After the first hours of event time some of them need a review, and few are blocked. */
export function payment(i: number): Payment {
  return { id: `e${i}`, account: `a${(i * 7) % 211}`, amount: (i * 37) % 1_000, at: startMs + i * 500 };
}

/** A payment as producers send it: those of an account stay in order. */
export function paymentMessage(event: Payment): Message {
  return { key: event.account, value: JSON.stringify(event) };
}

/** Payments that flow at a steady rate, whatever happens, until told to stop. Each is sent once and its outcome is kept. */
export class Load {
  #next = 0;
  #stopping = false;
  #done: Promise<void> = Promise.resolve();

  constructor(
    private readonly system: FaultSystem,
    private readonly ledger: Ledger,
    /** Events a second. */
    private readonly rate: number,
    private readonly eventOf: (i: number) => Payment = payment,
  ) {}

  get sent(): number {
    return this.#next;
  }

  /** Events that were sent and not acknowledged. */
  get unacknowledged(): number {
    return this.ledger.count('failed') + this.ledger.count('unknown');
  }

  start(): void {
    this.#stopping = false;
    this.#done = this.#run();
  }

  /** Resolves when nothing is under way any more. */
  async stop(): Promise<void> {
    this.#stopping = true;
    await this.#done;
  }

  /** Sends this many more, as fast as Kafka takes them. */
  async burst(count: number, perSend = 1_000): Promise<void> {
    for (let left = count; left > 0; left -= perSend) await this.#send(Math.min(perSend, left));
  }

  async #run(): Promise<void> {
    const everyMs = 1_000 / sendsPerSecond;
    for (let dueMs = Date.now(); !this.#stopping; dueMs = Math.max(Date.now(), dueMs + everyMs)) {
      await sleep(Math.max(0, dueMs - Date.now()));
      await this.#send(Math.ceil(this.rate / sendsPerSecond));
    }
  }

  async #send(count: number): Promise<void> {
    const events = Array.from({ length: count }, () => this.eventOf(this.#next++));
    const messages = events.map(paymentMessage);
    const outcome = await this.system.producer.send({ topic: this.system.topic, acks: -1, messages }).then(
      (): ProduceOutcome => 'ok',
      (error: unknown) => this.#outcomeOf(error),
    );
    this.ledger.note(
      events.map(({ id }) => id),
      outcome,
    );
  }

  /**
   * Only a broker's own refusal says that nothing is there: "connection refused" can come from looking for a broker after the records went
   * out. It speaks for one partition: another one's leader, or a broker that has just begun again, can take its own part of the same send.
   */
  #outcomeOf(error: unknown): ProduceOutcome {
    for (let cause = error; cause instanceof Error; cause = cause.cause) {
      if (refusals.has(String((cause as { type?: unknown }).type)))
        return this.system.partitions === 1 ? 'failed' : 'unknown';
    }
    return 'unknown';
  }
}

/** What a broker answers that does not take the records at all. */
const refusals = new Set([
  'UNKNOWN_TOPIC_OR_PARTITION',
  'NOT_LEADER_FOR_PARTITION',
  'LEADER_NOT_AVAILABLE',
  'TOPIC_AUTHORIZATION_FAILED',
  'MESSAGE_TOO_LARGE',
]);
