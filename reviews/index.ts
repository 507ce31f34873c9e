/**
 * People: opening reviews within a budget, lists, and verdicts, of which the first one wins.
 * A review itself is a workflow (`workflows/review.ts`); Postgres holds a projection of it.
 * The gateway shows what stands here.
 */
export { type StoredReview, countReviews, findReview, findReviewsOfEvents, listReviews } from './lists.ts';
export { openReviews } from './open-reviews.ts';
export { findAcceptedVerdict, writeReviewTransition } from './projection.ts';
export { createVerdictService, unknownReview } from './verdict-service.ts';
export { type WaitingReview, addWaitingReviews, probeWaitingReview } from './waiting.ts';
