import { HeadraceError } from '../../contracts/failures.ts';
import type { DecisionRow, Delivery } from '../../contracts/delivery.ts';
import type { AdmittedTry } from './sink-guard.ts';

/** What a worker has seen of one sink, for one pipeline. */
export interface SinkEvidence {
  /** The last row that the sink took, as a delivery of its own. */
  known?: Delivery;
  /** How many deliveries of rows it took. */
  accepted: number;
  /** Rows that were blamed one after another, alone in their batches, with none accepted in between. */
  blamedInARow: number;
}

/** How far the search for the refused rows of a batch has come. A further try of the batch goes on from there. */
export interface Search {
  /** Event keys that the sink has taken. */
  taken: Set<string>;
  /** By event key, why the sink refuses the row. */
  refused: Map<string, string>;
  /** What the sink said last when it refused something. */
  reason: string;
  /** `accepted` when the sink had refused every row of the batch for the first time. */
  acceptedBefore?: number;
}

/** Begins a search, with what the sink said when it refused the whole batch. */
export const newSearch = (reason: string): Search => ({ taken: new Set(), refused: new Map(), reason });

/** Calls of one try. What is left then is looked for in the next one, so that none runs out of its time. */
const callsMax = 512;
/** Refusals after which a sink that has taken no row at all is given up for now. */
const refusalsMax = 64;
/** A sink that refuses more batches of one row in a row is wrong, whatever it says to a row that it took before. */
const blamedInARowMax = 8;

export interface Examined {
  sink: string;
  admitted: AdmittedTry;
  delivery: Delivery;
  evidence: SinkEvidence;
  search: Search;
  signal: AbortSignal;
}

/**
 * Finds the rows for which a sink refuses a delivery, by halving, and delivers the others. Returns why, by event key. Every refusal may be
 * the sink's fault instead: before anything is split, and before a row is blamed, also when it is alone in its batch, the sink must take a
 * row that it took before. When it does not, or there is none, or it refuses every row of the batch, this throws `SINK_WRONG`: nothing
 * is drained into dead letters.
 */
export async function examineRefusal(examined: Examined): Promise<ReadonlyMap<string, string>> {
  return new Examination(examined).run();
}

class Examination {
  #calls = 0;
  #refusals = 0;
  readonly #unproven: DecisionRow[] = [];

  constructor(private readonly of: Examined) {}

  async run(): Promise<ReadonlyMap<string, string>> {
    const {
      delivery: { rows },
      search,
    } = this.of;
    await this.#prove();
    const left = rows.filter(({ eventKey }) => !search.taken.has(eventKey) && !search.refused.has(eventKey));
    if (left.length > 0) await this.#split(left);
    for (const row of this.#unproven) await this.#examine(row);
    if (search.refused.size > 0) {
      await this.#assertMayBlame();
      // Or a breaker whose test was refused for a row's content would stay half open.
      this.of.admitted.succeeded();
    }
    return search.refused;
  }

  async #split(rows: readonly DecisionRow[]): Promise<void> {
    if (await this.#take(rows)) return;
    if (rows.length === 1) return this.#examine(rows[0]!);
    const middle = rows.length >> 1;
    await this.#split(rows.slice(0, middle));
    await this.#split(rows.slice(middle));
  }

  /** A row that stands alone is asked for again right behind one that the sink takes: what was of the moment is over then. */
  async #examine(row: DecisionRow): Promise<void> {
    if (!(await this.#prove())) {
      if (this.#unproven.includes(row))
        throw this.#wrong(
          `refuses ${this.of.delivery.rows.length === 1 ? 'a row' : 'all rows of a batch'}, and has taken none yet that could show whose fault it is`,
        );
      this.#unproven.push(row);
      return;
    }
    if (!(await this.#take([row]))) this.of.search.refused.set(row.eventKey, this.of.search.reason);
  }

  /** Returns false when the sink refuses the content of at least one of the rows. */
  async #take(rows: readonly DecisionRow[]): Promise<boolean> {
    const { admitted, delivery, evidence, search, signal } = this.of;
    this.#count();
    try {
      await admitted.deliver({ ...delivery, rows }, signal);
    } catch (error) {
      if (!isRefusal(error)) throw error;
      search.reason = error.detail;
      this.#refusals++;
      if (this.#refusals > refusalsMax && search.taken.size === 0 && !evidence.known)
        throw this.#wrong('refuses every row of a batch');
      return false;
    }
    noteAccepted(evidence, { ...delivery, rows });
    for (const { eventKey } of rows) search.taken.add(eventKey);
    return true;
  }

  /** Throws unless the sink takes a row that it took before. Returns false when there is none. */
  async #prove(): Promise<boolean> {
    const {
      admitted,
      delivery: { pipeline },
      evidence,
      search,
      signal,
    } = this.of;
    this.#count();
    try {
      return await admitted.probe(pipeline, evidence.known, signal);
    } catch (error) {
      if (!isRefusal(error)) throw error;
      search.reason = error.detail;
      throw this.#wrong('refuses a row that it took before');
    }
  }

  async #assertMayBlame(): Promise<void> {
    const {
      delivery: { rows },
      evidence,
      search,
    } = this.of;
    if (search.taken.size > 0) {
      evidence.blamedInARow = 0;
    } else {
      search.acceptedBefore ??= evidence.accepted;
      const takesOthers = evidence.accepted > search.acceptedBefore;
      if (!takesOthers && (rows.length > 1 || evidence.blamedInARow >= blamedInARowMax)) {
        throw this.#wrong(
          rows.length > 1 ? `refuses all of ${rows.length} rows` : `has refused ${blamedInARowMax} rows in a row`,
        );
      }
    }
    if (!(await this.#prove())) throw this.#wrong('has no row left that it took before');
    if (search.taken.size === 0) evidence.blamedInARow++;
  }

  #wrong(what: string): HeadraceError {
    const { sink, admitted, search } = this.of;
    // By the next try somebody may have mended it.
    search.refused.clear();
    const error = new HeadraceError(
      'SINK_WRONG',
      `sink "${sink}" ${what}, so the sink is what is wrong: ${search.reason}`,
    );
    // Or each batch that waits would be halved down to its rows again and again.
    admitted.failed(error);
    return error;
  }

  #count(): void {
    if (++this.#calls <= callsMax) return;
    const { sink, search } = this.of;
    throw new HeadraceError(
      'SINK_UNAVAILABLE',
      `sink "${sink}" refuses many rows of a batch (${search.refused.size} found so far); the next try looks for the others`,
      { retryAfterMs: 1_000 },
    );
  }
}

export function isRefusal(error: unknown): error is HeadraceError {
  return error instanceof HeadraceError && error.code === 'SINK_REFUSED_ROW';
}

/** Notes that the sink took these rows, and keeps the last one. */
export function noteAccepted(evidence: SinkEvidence, { rows, batch, pipeline, workflowId }: Delivery): void {
  const last = rows.at(-1);
  if (!last) return;
  evidence.accepted++;
  evidence.blamedInARow = 0;
  evidence.known = { batch, pipeline, workflowId, rows: [copyOf(last)] };
}

/** A row by itself: the one that was delivered holds its whole batch. */
function copyOf(row: DecisionRow): DecisionRow {
  const {
    eventKey,
    eventId,
    partition,
    offset,
    recordTimeMs,
    eventTimeMs,
    entities,
    event,
    prediction,
    model,
    degraded,
    late,
    outcome,
    why,
  } = row;
  const headers = row.headers?.slice();
  const { names, values, from } = row.features;
  const features = { names, values: values.slice(from, from + names.length), from: 0 };
  return {
    eventKey,
    eventId,
    partition,
    offset,
    recordTimeMs,
    headers,
    eventTimeMs,
    entities,
    event,
    features,
    prediction,
    model,
    degraded,
    late,
    outcome,
    why,
  };
}
