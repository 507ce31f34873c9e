import type { DecisionRow } from './delivery.ts';

/** The features of all rows as one row-major array. All rows have the same names. */
export function featureMatrix(rows: readonly DecisionRow[]): Float32Array {
  const width = rows[0]?.features.names.length ?? 0;
  const matrix = new Float32Array(rows.length * width);
  let at = 0;
  for (const { features } of rows) {
    const { values, from } = features;
    for (let column = 0; column < width; column++) matrix[at++] = values[from + column]!;
  }
  return matrix;
}
