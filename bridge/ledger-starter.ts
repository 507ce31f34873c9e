import type { Chain } from '../contracts/event-key.ts';
import type { Starter } from '../temporal/starter.ts';

/** The position behind everything that the range ledger knows of a chain; null when it knows nothing. */
export type ChainEnd = (chain: Chain) => Promise<number | null>;

/**
 * A starter that also knows the chains whose runs have passed Temporal's retention. The ledger's end is safe to go on from, because
 * no batch is started before the one before it is scored. Where Temporal knows a run, the ledger being away holds nothing up.
 */
export function withLedger(starter: Starter, chainEnd: ChainEnd): Starter {
  async function lastStarted(chain: Chain, deadlineMs: number) {
    const last = await starter.lastStarted(chain, deadlineMs);
    const end = await chainEnd(chain).catch((error: unknown) => {
      if (last) return null;
      throw error;
    });
    // A run that Temporal knows is better, as far as it reaches: its first record shows whether the topic is still the same.
    return end !== null && end > (last?.end ?? -1) ? { position: end, end, head: false } : last;
  }

  let looking: Promise<unknown> = Promise.resolve();
  return {
    start: (start, deadlineMs) => starter.start(start, deadlineMs),
    explain: (chain, position, deadlineMs) => starter.explain(chain, position, deadlineMs),
    // One partition at a time: a bridge may get many at once, and each looks through many runs.
    lastStarted(chain, deadlineMs) {
      const found = looking.then(() => lastStarted(chain, deadlineMs));
      looking = found.catch(() => undefined);
      return found;
    },
  };
}
