import { isPostgresError, isProgrammingError, messageOf } from '../lib/error-text.ts';
import { HeadraceError } from '../contracts/failures.ts';

/** A text of ours is whole UTF-8 without NUL, so a database that has no form for it is what is wrong. */
const encodingCodes = new Set(['22021', '22P05']);
/** Data, constraints, limits of a value, and what a trigger raises. Each may be a row's doing, or that of a table which refuses all rows. */
const suspectClasses = /^(22|23|54|P0)/;
/** A table, a column or a right that is missing, and what a server does not do at all. */
const wrongClasses = /^(0A|3F|42)/;

/**
 * What an error of a sink in Postgres means. `SINK_REFUSED_ROW` is a suspicion: before a row is blamed for it the sink must take
 * another one (sinks/policy/examine-refusal.ts). Only codes and names of tables are told: Postgres quotes values, which may be personal.
 */
export function failureOf(error: unknown): HeadraceError {
  if (error instanceof HeadraceError) return error;
  const text = messageOf(error);
  const failure = (code: 'SINK_REFUSED_ROW' | 'SINK_WRONG' | 'SINK_BROKEN' | 'SINK_UNAVAILABLE', detail = text) =>
    new HeadraceError(code, detail, { cause: error });
  if (isProgrammingError(error)) return failure('SINK_BROKEN', `this is a bug: ${text}`);
  if (!isPostgresError(error)) return failure('SINK_UNAVAILABLE');
  if (encodingCodes.has(error.code))
    return failure(
      'SINK_WRONG',
      `${text}: the database has no form for a text that UTF-8 has; it must be one with the encoding UTF8`,
    );
  if (suspectClasses.test(error.code)) return failure('SINK_REFUSED_ROW');
  return failure(wrongClasses.test(error.code) ? 'SINK_WRONG' : 'SINK_UNAVAILABLE');
}
