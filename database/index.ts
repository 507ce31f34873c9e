/**
 * Postgres: the pool, migrations, and helpers that every statement needs.
 * What a table means stands in the room that owns it: `ledger/`, `reviews/`, `sinks/`.
 * Errors name the setting or the right that is missing.
 */
export { float4Array, plainArray, textArray } from './array-parameters.ts';
export { type StoredDecision, countDecisions, findDecisions, forgetDecisions } from './decisions.ts';
export { migrate } from './migrate.ts';
export { type Pool, createPool } from './pool.ts';
export { sanitizeJson, sanitizeText, sanitizedText } from './sanitize-text.ts';
export { takenBack } from './taken-back.ts';
export { untilAborted } from './until-aborted.ts';
export { withClient } from './with-client.ts';
