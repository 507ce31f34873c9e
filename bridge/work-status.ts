import { messageOf } from '../contracts/failures.ts';
import type { Waiting } from '../contracts/partition-state.ts';
import type { Clock } from './clock.ts';
import {
  chainTransitions,
  partitionTransitions,
  transition,
  type ChainPhase,
  type PartitionPhase,
  type Transitions,
} from './phases.ts';
import type { WaitReason } from './reports.ts';

const retryMsMin = 100;
const retryMsMax = 5_000;
const blockedMs = 10_000;
const textLengthMax = 500;

/** The work cannot go on until an operator has acted. */
export class HaltError extends Error {
  override readonly name = 'HaltError';
}

/** The text of an error; a text is a sentence of our own. */
export function whyOf(error: unknown): string {
  return typeof error === 'string' ? error : messageOf(error);
}

/** Who is told what the work waits for. */
export interface WorkReports {
  waiting(reason: WaitReason, error?: unknown): void;
  /** @param offset where it stands, as far as that is known */
  halted(reason: string, offset?: number): void;
}

/** The phase of a chain, and what it waits for: a wait of each of its partitions. */
export type ChainStatus = WorkStatus<ChainPhase>;

/** The phase of one partition, and what it waits for beside its chain. */
export type PartitionStatus = WorkStatus<PartitionPhase>;

export function createChainStatus(clock: Clock, reports: WorkReports): ChainStatus {
  return new WorkStatus<ChainPhase>(clock, reports, chainTransitions);
}

export function createPartitionStatus(clock: Clock, reports: WorkReports): PartitionStatus {
  return new WorkStatus<PartitionPhase>(clock, reports, partitionTransitions);
}

/** What one piece of work is at, what it waits for, and how it waits. */
class WorkStatus<P extends ChainPhase | PartitionPhase> {
  #waits: { reason: WaitReason; sinceMs: number; text?: string; offset?: number };
  #phase = { kind: 'resolving' } as P;
  readonly #abandoned = new AbortController();

  constructor(
    private readonly clock: Clock,
    private readonly reports: WorkReports,
    private readonly transitions: Transitions<P>,
  ) {
    this.#waits = { reason: 'none', sinceMs: clock.nowMs() };
  }

  get phase(): P {
    return this.#phase;
  }

  /** Goes on to another phase. Throws when the table of transitions does not have that step. */
  enter(phase: P): void {
    this.#phase = transition(this.transitions, this.#phase, phase);
  }

  /** Aborted once the work is no longer ours. */
  get signal(): AbortSignal {
    return this.#abandoned.signal;
  }

  /** True once nothing more may be done: it was given away, or it needs an operator. */
  get isOver(): boolean {
    return this.#phase.kind === 'halted' || this.#phase.kind === 'stopped';
  }

  /** True while what holds the work up is known: it must not be mistaken for a consumer that gets nowhere. */
  get isWaiting(): boolean {
    return this.#waits.reason !== 'none';
  }

  /** What holds the work up; undefined when nothing does. */
  get waiting(): Waiting | undefined {
    const { reason, sinceMs, text, offset } = this.#waits;
    if (reason === 'none') return undefined;
    return {
      kind: reason,
      forSeconds: (this.clock.nowMs() - sinceMs) / 1_000,
      ...(text === undefined ? {} : { text }),
      ...(offset === undefined ? {} : { offset }),
    };
  }

  abandon(): void {
    if (this.#phase.kind === 'stopped') return;
    this.enter({ kind: 'stopped' } as P);
    this.#abandoned.abort();
  }

  /** Ends the work until an operator has acted. */
  halt(reason: string, offset?: number): void {
    if (this.#phase.kind === 'stopped') return;
    const during = this.#phase.kind === 'halted' ? this.#phase.during : this.#phase.kind;
    this.enter({ kind: 'halted', during } as P);
    this.#halted(reason, offset);
  }

  /** Ends it because what it is part of has halted, which tells why. */
  end(): void {
    if (this.isOver) return;
    this.enter({ kind: 'halted', during: this.#phase.kind } as P);
    this.#note('none');
  }

  wait(reason: WaitReason, error?: unknown): void {
    // Whoever has the work now tells what it waits for; and one that has halted waits for nothing else.
    if (this.isOver) return;
    this.#note(reason, error === undefined ? undefined : whyOf(error));
    this.reports.waiting(reason, error);
  }

  /** Waits before the next try; longer with every one. */
  async backOff(reason: WaitReason, error: unknown, tries: number): Promise<void> {
    this.wait(reason, error);
    await this.clock.sleep(Math.min(retryMsMax, retryMsMin * 2 ** Math.min(tries, 10)), this.signal);
  }

  /** An operator must do something; until then the work stands still, at an offset where that is of one partition, and looks again now and then. */
  async blocked(reason: string, offset?: number): Promise<void> {
    if (this.isOver) return;
    this.#halted(reason, offset);
    await this.clock.sleep(blockedMs, this.signal);
  }

  /** Tries until it succeeds or the work is over, with back-off. A HaltError passes through. */
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
    this.reports.halted(reason, offset);
  }

  #note(reason: WaitReason, text?: string, offset?: number): void {
    // What it waits for becomes known better while it waits.
    const sinceMs = reason !== 'none' && this.#waits.reason !== 'none' ? this.#waits.sinceMs : this.clock.nowMs();
    this.#waits = { reason, sinceMs, text: text?.slice(0, textLengthMax), offset };
  }
}
