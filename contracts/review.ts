/** What a review is started with, what reviewers send it, and what it says about itself. Zod-free: workflow code reads it. */

/** Input of a review run: one event that needs a person's verdict. */
export interface ReviewInput {
  eventKey: string;
  eventId: string;
  pipeline: string;
  /** One line for the reviewer, from the pipeline's `review.title`. */
  title: string;
  outcome: string;
  why: string;
  /** By entity name, in the pipeline's order. */
  entities: Record<string, string>;
  eventTimeMs: number;
  /** What may be answered. */
  verdicts: readonly string[];
  /** After this long without a verdict the review escalates; it never approves by itself. */
  timeoutMs: number;
}

/** Argument of the signal and of the update `verdict`. */
export interface VerdictInput {
  /** The sender's own id of this verdict: sent twice, it counts once. Absent = every message is one of its own. */
  id?: string;
  verdict: string;
  reviewer: string;
  comment?: string;
}

/** The verdict that won. */
export interface AcceptedVerdict {
  id: string;
  verdict: string;
  reviewer: string;
  comment?: string;
  decidedAtMs: number;
}

export type ReviewStatus = 'open' | 'escalated' | 'decided';

/** Of reviews in lists: one that waits has no workflow yet. */
export const reviewStatuses = ['waiting', 'open', 'escalated', 'decided'] as const satisfies (
  | ReviewStatus
  | 'waiting'
)[];

/** Answer of the query `state`, and result of the run. */
export interface ReviewState {
  status: ReviewStatus;
  openedAtMs: number;
  dueAtMs: number;
  escalatedAtMs?: number;
  accepted?: AcceptedVerdict;
}

/** One step in a review's life, numbered from 1: what the projection and the audit record. */
export type ReviewTransition =
  | { step: number; action: 'opened'; atMs: number; dueAtMs: number }
  | { step: number; action: 'escalated'; atMs: number; openedAtMs: number; dueAtMs: number }
  | { step: number; action: 'decided'; atMs: number; openedAtMs: number; dueAtMs: number; accepted: AcceptedVerdict };

/** The truth about an event, learned from its review. */
export interface ReviewLabel {
  eventKey: string;
  pipeline: string;
  entities: Record<string, string>;
  eventTimeMs: number;
  verdict: string;
  /** When it became known: features of earlier events must not see it. */
  knownAtMs: number;
}

/** Types of the failures that the update `verdict` answers with. */
export const verdictFailures = {
  /** Somebody was first; the failure's first detail is the `AcceptedVerdict` that won. */
  alreadyDecided: 'ALREADY_DECIDED',
  /** The verdict is malformed, or none of those that may be answered. */
  invalid: 'INVALID_VERDICT',
} as const;

export const reviewerLengthMax = 200;
export const commentLengthMax = 4_000;
