import { readTopic } from '../../live/collect.ts';
import { until } from '../../live/wait.ts';
import type { Row, RowContext } from '../row.ts';

const reviewsMax = 20;

async function openReviews({ system }: RowContext): Promise<string[]> {
  const { rows } = await system.pool.query<{ id: string }>(
    "select id from reviews where status = 'open' order by ordinal limit $1",
    [reviewsMax],
  );
  return rows.map(({ id }) => id);
}

export const verdicts: Row = {
  name: 'verdicts',
  about:
    'each of 20 reviews gets contradicting verdicts by signal, some twice, while both workers are dead: the first one counts, everywhere',
  async run(context) {
    const { system } = context;
    const reviews = await until(
      'reviews are open',
      async () => {
        const open = await openReviews(context);
        return open.length >= reviewsMax && open;
      },
      { everyMs: 500, timeoutMs: 90_000, detail: () => system.logs() },
    );
    await Promise.all(system.workers.map((worker) => worker.kill()));
    context.fault('SIGKILL both workers');
    for (const id of reviews) {
      const handle = system.temporal.workflow.getHandle(id);
      const first = { id: `first-${id}`, verdict: 'fraud', reviewer: 'ann' };
      const second = { id: `second-${id}`, verdict: 'legitimate', reviewer: 'bob' };
      // The last one contradicts, too: were it to win, nobody who sent the first one again would know.
      for (const verdict of [first, first, second, first, second]) await handle.signal('verdict', verdict);
      context.decided.set(id.replace(/^review:/, ''), 'fraud');
      context.fault(`contradicting verdicts for ${id}`);
    }
    for (const worker of system.workers) worker.start();
    await until(
      'all are decided',
      async () => {
        const { rows } = await system.pool.query<{ count: string }>(
          "select count(*) from reviews where status = 'decided'",
        );
        return Number(rows[0]!.count) >= reviews.length;
      },
      { timeoutMs: 90_000, detail: () => system.logs() },
    );
    await context.recovered();
  },
  async verify({ system, decided }) {
    const { rows } = await system.pool.query<{ event_key: string; verdict: string; reviewer: string }>(
      "select event_key, verdict, reviewer from reviews where status = 'decided'",
    );
    const problems = rows.flatMap(({ event_key, verdict, reviewer }) =>
      decided.get(event_key) === verdict && reviewer === 'ann'
        ? []
        : [`review of ${event_key}: ${verdict} by ${reviewer}, and the first was ${decided.get(event_key)}`],
    );
    if (rows.length !== decided.size)
      problems.push(`${rows.length} reviews are decided, and ${decided.size} got a verdict`);
    const { rows: audited } = await system.pool.query<{ review_id: string; count: string }>(
      "select review_id, count(*) from review_audit where action = 'decided' group by review_id having count(*) > 1",
    );
    problems.push(...audited.map(({ review_id, count }) => `${review_id}: ${count} decisions in the audit`));
    for (const records of (await readTopic(system, `${system.name}.labels`)).values()) {
      for (const { value } of records) {
        const label = JSON.parse(Buffer.from(value!).toString()) as { eventKey: string; verdict: string };
        if (decided.get(label.eventKey) !== label.verdict)
          problems.push(`label of ${label.eventKey}: ${label.verdict}`);
      }
    }
    return problems;
  },
};
