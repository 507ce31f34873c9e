import { DatabaseError } from 'pg';
import { HeadraceError, messageOf } from '../contracts/failures.ts';

/**
 * Classes 22 (data) and 23 (constraints) and the limit on index entries blame a row; all else blames the server or the way to it.
 * Only the code is told: Postgres quotes values in its messages, and those may be personal.
 */
export function failureOf(error: unknown): HeadraceError {
  if (error instanceof HeadraceError) return error;
  if (error instanceof DatabaseError && /^(22|23|54000)/.test(error.code ?? '')) {
    return new HeadraceError('SINK_REFUSED_ROW', `Postgres refuses a value (SQLSTATE ${error.code})`, { cause: error });
  }
  return new HeadraceError('SINK_UNAVAILABLE', error instanceof DatabaseError ? `Postgres answers SQLSTATE ${error.code}` : messageOf(error), { cause: error });
}
