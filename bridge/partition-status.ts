import type { Chain } from '../contracts/event-key.ts';
import { HaltError } from './assignment.ts';
import type { Clock } from './ports.ts';
import type { BridgeReports, WaitReason } from './reports.ts';

const retryMsMin = 100;
const retryMsMax = 5_000;
const blockedMs = 10_000;

/** What a partition does. */
export type PartitionState =
  | { kind: 'working' }
  | { kind: 'waiting'; for: WaitReason }
  /** It needs an operator. `offset` is where it stands, as far as that is known. */
  | { kind: 'halted'; reason: string; offset?: number };

/** Whether a partition still works, what it waits for, and how it waits. */
export class PartitionStatus {
  #state: PartitionState = { kind: 'working' };
  /** Halted for good: only a new assignment begins anew. */
  #ended = false;
  readonly #abandoned = new AbortController();

  constructor(
    private readonly ports: { clock: Clock; reports: BridgeReports },
    private readonly chain: Chain,
  ) {}

  /** Aborted once the partition is no longer ours. */
  get signal(): AbortSignal {
    return this.#abandoned.signal;
  }

  /** True once nothing more may be done: the partition was given away, or it needs an operator. */
  get isOver(): boolean {
    return this.#ended || this.signal.aborted;
  }

  get state(): PartitionState {
    return this.#state;
  }

  /** True while what holds the partition up is known: it must not be mistaken for a consumer that gets nowhere. */
  get isWaiting(): boolean {
    return this.#state.kind !== 'working';
  }

  abandon(): void {
    this.#abandoned.abort();
  }

  /** Ends the work until an operator has acted. */
  halt(reason: string, offset?: number): void {
    if (this.signal.aborted) return;
    this.#ended = true;
    this.#halted(reason, offset);
  }

  #halted(reason: string, offset: number | undefined): void {
    this.#state = { kind: 'halted', reason, ...(offset === undefined ? {} : { offset }) };
    this.ports.reports.halted(this.chain, reason, offset);
  }

  waiting(reason: WaitReason, error?: unknown): void {
    // Whoever has the partition now tells what it waits for; and one that has halted waits for nothing else.
    if (this.isOver) return;
    this.#state = reason === 'none' ? { kind: 'working' } : { kind: 'waiting', for: reason };
    this.ports.reports.waiting(this.chain, reason, error);
  }

  /** Waits before the next try; longer with every one. */
  async backOff(reason: WaitReason, error: unknown, tries: number): Promise<void> {
    this.waiting(reason, error);
    await this.ports.clock.sleep(Math.min(retryMsMax, retryMsMin * 2 ** Math.min(tries, 10)), this.signal);
  }

  /** An operator must do something; until then this partition stands still at an offset, and looks again now and then. */
  async blocked(reason: string, offset: number): Promise<void> {
    if (this.isOver) return;
    this.#halted(reason, offset);
    await this.ports.clock.sleep(blockedMs, this.signal);
  }

  /** Tries until it succeeds or the partition is over, with back-off. A HaltError passes through. */
  async untilDone<T>(reason: WaitReason, attempt: (tries: number) => Promise<T>): Promise<T | undefined> {
    for (let tries = 0; !this.isOver; tries++) {
      try {
        const answer = await attempt(tries);
        if (tries > 0) this.waiting('none');
        return answer;
      } catch (error) {
        if (error instanceof HaltError) throw error;
        await this.backOff(reason, error, tries);
      }
    }
    return undefined;
  }
}
