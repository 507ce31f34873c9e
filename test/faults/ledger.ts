import type { KafkaRecord } from '../../contracts/records-frame.ts';

/** What became of one produce: in the topic, not in it, or nobody knows. */
export type ProduceOutcome = 'ok' | 'failed' | 'unknown';

/** Every event that was produced, with what its producer was told. Each is sent at most once. */
export class Ledger {
  readonly #outcomes = new Map<string, ProduceOutcome>();

  note(ids: readonly string[], outcome: ProduceOutcome): void {
    for (const id of ids) {
      if (this.#outcomes.has(id)) throw new Error(`event ${id} was produced before`);
      this.#outcomes.set(id, outcome);
    }
  }

  count(outcome?: ProduceOutcome): number {
    return outcome === undefined
      ? this.#outcomes.size
      : [...this.#outcomes.values()].filter((each) => each === outcome).length;
  }

  /** What the topic holds against what producers were told: acknowledged once, failed never, unknown at most once. */
  problems(topic: Iterable<readonly KafkaRecord[]>, idOf: (record: KafkaRecord) => string | undefined): string[] {
    const times = new Map<string, number>();
    for (const records of topic) {
      for (const record of records) {
        const id = idOf(record);
        if (id !== undefined) times.set(id, (times.get(id) ?? 0) + 1);
      }
    }
    const problems: string[] = [];
    for (const [id, outcome] of this.#outcomes) {
      const count = times.get(id) ?? 0;
      if (outcome === 'ok' && count !== 1) problems.push(`${id}: acknowledged, and ${count} times in the topic`);
      if (outcome === 'failed' && count !== 0) problems.push(`${id}: refused, and in the topic`);
      if (outcome === 'unknown' && count > 1) problems.push(`${id}: sent once, and ${count} times in the topic`);
    }
    return problems;
  }
}
