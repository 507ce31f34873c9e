/**
 * Places that decisions go to: one file each, and the registry.
 * `policy/` is around them: limits, breakers, and who is to blame for a refusal; none of it stands inside a sink.
 * Delivery is idempotent by event key, whatever is called again.
 */
export { createDeadLetters } from './dead-letters.ts';
export { createLedgerSink } from './ledger.ts';
export { retryAfter } from './policy/sink-breaker.ts';
export {
  type Search,
  type SinkEvidence,
  examineRefusal,
  isRefusal,
  newSearch,
  noteAccepted,
} from './policy/examine-refusal.ts';
export { type AdmittedTry, type GuardedSink, guardSink } from './policy/sink-guard.ts';
export { type Sink } from './port.ts';
export { createSinks } from './registry.ts';
