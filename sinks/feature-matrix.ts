import type { DecisionRow } from './port.ts';

/** The features of all rows as one row-major array, in the order of the names: a list per row would be most of a delivery's garbage. */
export function featureMatrix(rows: readonly DecisionRow[], names: readonly string[]): Float32Array {
  const matrix = new Float32Array(rows.length * names.length);
  let at = 0;
  for (const { features } of rows) for (const name of names) matrix[at++] = features[name]!;
  return matrix;
}
