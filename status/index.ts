/**
 * What waits, for what, and since when: read from bridges, Kafka and Temporal, each for itself.
 * Command and gateway say the same, because both ask here.
 * A part that cannot be read is named, and hides no other.
 */
export { type ChainState, followChain } from './follow-chain.ts';
export { type Problem, lagText, lasting } from './problems.ts';
export { type SystemStanding, type StateReaders, createStandingReader, readStanding, remembered } from './standing.ts';
export { type StateSources, readSystemState } from './system-state.ts';
