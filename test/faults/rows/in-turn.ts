import type { Row } from '../row.ts';

/**
 * Rows one after the other on one system, which is started and compared once for all of them: that takes longer than most of what is done
 * to it. Each row must leave the topic as it is, and find everything else whole.
 */
export function inTurn(name: string, rows: readonly Row[]): Row {
  return {
    name,
    about: `one after the other on one system: ${rows.map((row) => row.name).join(', ')}`,
    needs: Object.assign({}, ...rows.map((row) => row.needs)),
    async run(context) {
      for (const row of rows) {
        context.log(`${row.name}: ${row.about}`);
        await row.run(context);
        await context.system.heal();
      }
    },
    async verify(context) {
      const problems: string[] = [];
      for (const row of rows) problems.push(...((await row.verify?.(context)) ?? []));
      return problems;
    },
  };
}
