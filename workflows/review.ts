import {
  allHandlersFinished,
  CancellationScope,
  condition,
  defineQuery,
  defineSignal,
  defineUpdate,
  log,
  setCurrentDetails,
  setHandler,
  upsertSearchAttributes,
  uuid4,
} from '@temporalio/workflow';
import { ApplicationFailure, defineSearchAttributeKey, SearchAttributeType } from '@temporalio/common';
import { reviewStateQueryName, searchAttributes, verdictName } from '../contracts/names.ts';
import {
  type AcceptedVerdict,
  type ReviewInput,
  type ReviewState,
  verdictFailures,
  type VerdictInput,
} from '../contracts/review.ts';
import { projectTransition, publishReviewLabel } from './review-steps.ts';
import { reviewDetails, verdictProblem } from './review-view.ts';

export const verdictSignal = defineSignal<[VerdictInput]>(verdictName);
export const verdictUpdate = defineUpdate<AcceptedVerdict, [VerdictInput]>(verdictName);
export const reviewStateQuery = defineQuery<ReviewState>(reviewStateQueryName);

const statusKey = defineSearchAttributeKey(searchAttributes.reviewStatus.name, SearchAttributeType.KEYWORD);

/**
 * Waits for a person's verdict on one event. The first verdict wins, by signal or by update; a time-out escalates and leaves the
 * review open to a verdict, so nothing is ever approved by silence. The run ends when the projection and the label are written;
 * cancelling has no effect.
 */
export function review(input: ReviewInput): Promise<ReviewState> {
  return CancellationScope.nonCancellable(() => new Review(input).run());
}

class Review {
  readonly #input: ReviewInput;
  readonly #state: ReviewState;
  /** Verdicts wait until the projection exists, because it may know that an earlier run was decided. */
  #opened = false;

  constructor(input: ReviewInput) {
    this.#input = input;
    this.#state = { status: 'open', openedAtMs: Date.now(), dueAtMs: Date.now() + input.timeoutMs };
    this.#handleMessages();
    this.#show();
  }

  async run(): Promise<ReviewState> {
    const { openedAtMs, dueAtMs } = this.#state;
    // 1. Open it where reviewers look.
    const earlier = await projectTransition(this.#input, { step: 1, action: 'opened', atMs: openedAtMs, dueAtMs });
    if (earlier) this.#accept(earlier);
    this.#opened = true;
    // 2. Wait for a verdict; when none comes in time, escalate and go on waiting.
    let step = 2;
    if (
      !(await condition(() => this.#state.accepted !== undefined, this.#input.timeoutMs, {
        summary: 'until it escalates',
      }))
    ) {
      const atMs = Date.now();
      Object.assign(this.#state, { status: 'escalated', escalatedAtMs: atMs });
      this.#show();
      upsertSearchAttributes([{ key: statusKey, value: 'escalated' }]);
      await projectTransition(this.#input, { step: step++, action: 'escalated', atMs, openedAtMs, dueAtMs });
      await condition(() => this.#state.accepted !== undefined);
    }
    // 3. Write down what was decided, and tell it as a label. Stay open until both are done.
    const accepted = this.#state.accepted!;
    upsertSearchAttributes([{ key: statusKey, value: 'decided' }]);
    await Promise.all([
      earlier
        ? undefined
        : projectTransition(this.#input, {
            step,
            action: 'decided',
            atMs: accepted.decidedAtMs,
            openedAtMs,
            dueAtMs,
            accepted,
          }),
      publishReviewLabel(this.#input, accepted),
    ]);
    await condition(allHandlersFinished);
    return this.#state;
  }

  #handleMessages(): void {
    setHandler(reviewStateQuery, () => this.#state, { description: 'The present state of the review.' });
    setHandler(
      verdictSignal,
      async (verdict) => {
        try {
          await this.#take(verdict);
        } catch (error) {
          if (!(error instanceof ApplicationFailure)) throw error;
          log.warn('a verdict signal is ignored', { reason: error.type });
        }
      },
      {
        description: `Decides the review: { verdict: one of ${this.#input.verdicts.join(', ')}, reviewer, comment?, id? }. Later ones are ignored.`,
      },
    );
    setHandler(verdictUpdate, (verdict) => this.#take(verdict), {
      validator: (verdict) => this.#check(verdict),
      description: 'The same as the signal, and answers which verdict won; fails when somebody else was first.',
    });
  }

  /** The verdict that won, which is this one when none was accepted before. Throws an ApplicationFailure when another one was. */
  async #take(verdict: VerdictInput): Promise<AcceptedVerdict> {
    await CancellationScope.nonCancellable(() => condition(() => this.#opened));
    this.#check(verdict);
    if (!this.#state.accepted) {
      const { verdict: answer, reviewer, comment } = verdict;
      this.#accept({ id: verdict.id ?? uuid4(), verdict: answer, reviewer, comment, decidedAtMs: Date.now() });
    }
    return this.#state.accepted!;
  }

  #check(verdict: VerdictInput): void {
    const problem = verdictProblem(verdict, this.#input.verdicts);
    if (problem) throw ApplicationFailure.nonRetryable(problem, verdictFailures.invalid);
    const accepted = this.#state.accepted;
    if (!accepted || (verdict.id !== undefined && verdict.id === accepted.id)) return;
    const when = new Date(accepted.decidedAtMs).toISOString();
    throw ApplicationFailure.nonRetryable(
      `decided as "${accepted.verdict}" by ${accepted.reviewer} at ${when}`,
      verdictFailures.alreadyDecided,
      accepted,
    );
  }

  #accept(accepted: AcceptedVerdict): void {
    Object.assign(this.#state, { status: 'decided', accepted });
    this.#show();
  }

  #show(): void {
    setCurrentDetails(reviewDetails(this.#input, this.#state));
  }
}
