import { HeadraceError } from '../contracts/failures.ts';
import { ledgerTarget } from '../contracts/names.ts';
import type { Pool } from '../database/pool.ts';
import { createRangeWriter } from '../ledger/ranges.ts';
import { untilAborted } from '../database/until-aborted.ts';
import type { Sink } from './port.ts';
import { failureOf } from './postgres-failure.ts';

/**
 * Writes the ranges of a batch into the range ledger. Delivered beside the sinks, for every batch, also one without rows; no pipeline
 * names it. It never blames a row: it does not look at them.
 */
export function createLedgerSink({ pool }: { pool: Pool }): Sink {
  const add = createRangeWriter(pool);
  return {
    name: ledgerTarget,
    async deliver({ batch }, signal) {
      signal.throwIfAborted();
      try {
        await untilAborted(add(batch), signal);
      } catch (error) {
        const { code, detail } = failureOf(error);
        throw new HeadraceError(
          code === 'SINK_REFUSED_ROW' ? 'SINK_WRONG' : code,
          `the range ledger cannot be written: ${detail}`,
          { cause: error },
        );
      }
    },
    // The pool belongs to whoever made it.
    close: async () => undefined,
  };
}
