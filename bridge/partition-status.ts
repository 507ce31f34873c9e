import type { Chain } from '../contracts/event-key.ts';
import { messageOf } from '../contracts/failures.ts';
import type { Waiting } from '../contracts/partition-state.ts';
import { HaltError } from './assignment.ts';
import type { Clock } from './clock.ts';
import { transition, transitions, type PartitionPhase } from './partition-phase.ts';
import type { BridgeReports, WaitReason } from './reports.ts';

const retryMsMin = 100;
const retryMsMax = 5_000;
const blockedMs = 10_000;
const textLengthMax = 500;

/** The text of an error; a text is a sentence of our own. */
export function whyOf(error: unknown): string {
  return typeof error === 'string' ? error : messageOf(error);
}

/** The phase of a partition, what it waits for, and how it waits. */
export class PartitionStatus {
  #waits: { reason: WaitReason; sinceMs: number; text?: string; offset?: number };
  #phase: PartitionPhase = { kind: 'resolving' };
  readonly #abandoned = new AbortController();

  constructor(
    private readonly ports: { clock: Clock; reports: BridgeReports },
    private readonly chain: Chain,
  ) {
    this.#waits = { reason: 'none', sinceMs: ports.clock.nowMs() };
  }

  get phase(): PartitionPhase {
    return this.#phase;
  }

  /** Goes on to another phase. Throws when the table of transitions does not have that step. */
  enter(phase: PartitionPhase): void {
    this.#phase = transition(transitions, this.#phase, phase);
  }

  /** Aborted once the partition is no longer ours. */
  get signal(): AbortSignal {
    return this.#abandoned.signal;
  }

  /** True once nothing more may be done: the partition was given away, or it needs an operator. */
  get isOver(): boolean {
    return this.#phase.kind === 'halted' || this.#phase.kind === 'stopped';
  }

  /** True while what holds the partition up is known: it must not be mistaken for a consumer that gets nowhere. */
  get isWaiting(): boolean {
    return this.#waits.reason !== 'none';
  }

  /** What holds the partition up; undefined when nothing does. */
  get waiting(): Waiting | undefined {
    const { reason, sinceMs, text, offset } = this.#waits;
    if (reason === 'none') return undefined;
    return {
      kind: reason,
      forSeconds: (this.ports.clock.nowMs() - sinceMs) / 1_000,
      ...(text === undefined ? {} : { text }),
      ...(offset === undefined ? {} : { offset }),
    };
  }

  abandon(): void {
    if (this.#phase.kind === 'stopped') return;
    this.enter({ kind: 'stopped' });
    this.#abandoned.abort();
  }

  /** Ends the work until an operator has acted. */
  halt(reason: string, offset?: number): void {
    if (this.#phase.kind === 'stopped') return;
    const during = this.#phase.kind === 'halted' ? this.#phase.during : this.#phase.kind;
    this.enter({ kind: 'halted', during });
    this.#halted(reason, offset);
  }

  wait(reason: WaitReason, error?: unknown): void {
    // Whoever has the partition now tells what it waits for; and one that has halted waits for nothing else.
    if (this.isOver) return;
    this.#note(reason, error === undefined ? undefined : whyOf(error));
    this.ports.reports.waiting(this.chain, reason, error);
  }

  /** Waits before the next try; longer with every one. */
  async backOff(reason: WaitReason, error: unknown, tries: number): Promise<void> {
    this.wait(reason, error);
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
        if (tries > 0) this.wait('none');
        return answer;
      } catch (error) {
        if (error instanceof HaltError) throw error;
        await this.backOff(reason, error, tries);
      }
    }
    return undefined;
  }

  #halted(reason: string, offset: number | undefined): void {
    this.#note('halted', reason, offset);
    this.ports.reports.halted(this.chain, reason, offset);
  }

  #note(reason: WaitReason, text?: string, offset?: number): void {
    // What it waits for becomes known better while it waits.
    const sinceMs = reason !== 'none' && this.#waits.reason !== 'none' ? this.#waits.sinceMs : this.ports.clock.nowMs();
    this.#waits = { reason, sinceMs, text: text?.slice(0, textLengthMax), offset };
  }
}
