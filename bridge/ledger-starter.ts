import type { Chain } from '../contracts/event-key.ts';
import type { Starter } from './ports.ts';

/** The position behind everything that the range ledger knows of a chain; null when it knows nothing. */
export type ChainEnd = (chain: Chain) => Promise<number | null>;

/**
 * A starter that also knows the chains whose runs have passed Temporal's retention. The ledger's end is safe to go on from, because
 * no batch is started before the one before it is scored. Where Temporal knows a run, the ledger being away holds nothing up.
 */
export function withLedger(starter: Starter, chainEnd: ChainEnd): Starter {
  return {
    start: (start, deadlineMs) => starter.start(start, deadlineMs),
    async lastStarted(chain, deadlineMs) {
      const last = await starter.lastStarted(chain, deadlineMs);
      const end = await chainEnd(chain).catch((error: unknown) => {
        if (last) return null;
        throw error;
      });
      return end !== null && end > (last?.position ?? -1) ? { position: end, head: false } : last;
    },
  };
}
