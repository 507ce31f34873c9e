import { closeSync, mkdirSync, openSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { bookWorld } from '../../pipelines/fraud/simulator/world.ts';
import { trainingDays } from './training-table.ts';

/**
 * Writes the training table of the fraud model into a folder: `features.f32` (row-major float32), `truth.u16` (day, fraud,
 * scenario, customer for each row) and `table.json` (column names, number of rows). `train.py` reads them.
 */
const folder = process.argv[2];
if (!folder) {
  process.stderr.write('usage: node --import tsx models/fraud/main.ts FOLDER\n');
  process.exit(2);
}
mkdirSync(folder, { recursive: true });
const featuresFile = openSync(join(folder, 'features.f32'), 'w');
const truthFile = openSync(join(folder, 'truth.u16'), 'w');
let rows = 0;
let names: string[] = [];
for await (const { features, payments, ...day } of trainingDays(bookWorld)) {
  writeSync(featuresFile, features);
  writeSync(
    truthFile,
    Uint16Array.from(
      payments.flatMap((payment) => [payment.day, payment.scenario > 0 ? 1 : 0, payment.scenario, payment.customer]),
    ),
  );
  rows += payments.length;
  names = day.names;
  if (day.day % 30 === 0) process.stderr.write(`day ${day.day} of ${bookWorld.days}, ${rows} payments\n`);
}
closeSync(featuresFile);
closeSync(truthFile);
writeFileSync(join(folder, 'table.json'), `${JSON.stringify({ names, rows }, undefined, 2)}\n`);
process.stderr.write(`${rows} rows of ${names.length} features in ${folder}\n`);
