import type { Chain } from '../contracts/event-key.ts';
import { HaltError } from './assignment.ts';
import type { Clock } from './ports.ts';
import type { BridgeReports, WaitReason } from './reports.ts';

const retryMsMin = 100;
const retryMsMax = 5_000;
const blockedMs = 10_000;

/** Whether a partition still works, what it waits for, and how it waits. */
export class PartitionStatus {
  #waitReason: WaitReason = 'none';
  #halted = false;
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
    return this.#halted || this.signal.aborted;
  }

  /** True while what holds the partition up is known: it must not be mistaken for a consumer that gets nowhere. */
  get isWaiting(): boolean {
    return this.#halted || this.#waitReason !== 'none';
  }

  abandon(): void {
    this.#abandoned.abort();
  }

  /** Ends the work until an operator has acted. */
  halt(reason: string): void {
    if (this.signal.aborted) return;
    this.#halted = true;
    this.ports.reports.halted(this.chain, reason);
  }

  waiting(reason: WaitReason, error?: unknown): void {
    // Whoever has the partition now tells what it waits for.
    if (this.signal.aborted) return;
    this.#waitReason = reason;
    this.ports.reports.waiting(this.chain, reason, error);
  }

  /** Waits before the next try; longer with every one. */
  async backOff(reason: WaitReason, error: unknown, tries: number): Promise<void> {
    this.waiting(reason, error);
    await this.ports.clock.sleep(Math.min(retryMsMax, retryMsMin * 2 ** Math.min(tries, 10)), this.signal);
  }

  /** An operator must re-drive a run; until then this partition stands still, and looks again now and then. */
  async blocked(reason: string): Promise<void> {
    this.#waitReason = 'halted';
    this.ports.reports.halted(this.chain, reason);
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
