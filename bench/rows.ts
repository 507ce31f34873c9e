import type { Figure } from './figures.ts';

export interface RowRounds {
  name: string;
  rowsPerRound: number;
  rounds: number;
  /** Rounds before these, which are not counted. */
  warmUpRounds: number;
}

/** Runs rounds one after another. Returns rows per second, and CPU of this process per row. */
export async function measureRows(
  { name, rowsPerRound, rounds, warmUpRounds }: RowRounds,
  work: (round: number) => Promise<void>,
): Promise<Figure[]> {
  for (let round = 0; round < warmUpRounds; round++) await work(round);
  const startedMs = performance.now();
  const cpuBefore = process.cpuUsage();
  for (let round = warmUpRounds; round < warmUpRounds + rounds; round++) await work(round);
  const seconds = (performance.now() - startedMs) / 1_000;
  const { user, system } = process.cpuUsage(cpuBefore);
  const rows = rowsPerRound * rounds;
  return [
    { name, value: rows / seconds, unit: 'rows/s' },
    { name: `CPU of ${name}`, value: (user + system) / rows, unit: 'us/row' },
  ];
}
