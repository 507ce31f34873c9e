import { DatabaseError } from 'pg';
import { HeadraceError, messageOf } from '../contracts/failures.ts';
import { ledgerTarget } from '../contracts/names.ts';
import type { Pool } from '../database/pool.ts';
import { createRangeWriter } from '../database/ranges.ts';
import { untilAborted } from '../database/until-aborted.ts';
import type { Sink } from './port.ts';

/**
 * Writes the batch's range into the range ledger. Delivered beside the sinks, for every batch, also one without rows; no pipeline
 * names it. It never blames a row: it does not look at them.
 */
export function createLedgerSink({ pool }: { pool: Pool }): Sink {
  const add = createRangeWriter(pool);
  return {
    name: ledgerTarget,
    async deliver({ batch }, signal) {
      signal.throwIfAborted();
      try {
        await untilAborted(add(batch, batch), signal);
      } catch (error) {
        const reason = error instanceof DatabaseError ? `Postgres answers SQLSTATE ${error.code}` : messageOf(error);
        throw new HeadraceError('SINK_UNAVAILABLE', `the range ledger cannot be written: ${reason}`, { cause: error });
      }
    },
    // The pool belongs to whoever made it.
    close: async () => undefined,
  };
}
