import { defaultCacheDir, prepareKafka, preparePostgres, prepareTemporal } from './index.ts';
import type { Progress } from './index.ts';

// Gets the programs of all embedded servers into the cache, with a line every few seconds, and ends.
const printIntervalMs = 5_000;
const printedAt = new Map<string, number>();

function onProgress({ server, what, done, total, unit, elapsedMs }: Progress): void {
  if (Date.now() - (printedAt.get(server) ?? 0) < printIntervalMs) return;
  printedAt.set(server, Date.now());
  const amount = done === undefined ? '' : `, ${done}${total === undefined ? '' : ` of ${total}`} ${unit ?? ''}`;
  process.stdout.write(`${server}: ${what}${amount.trimEnd()}, ${Math.round(elapsedMs / 1_000)} s\n`);
}

const options = { cacheDir: defaultCacheDir(process.env), onProgress };
try {
  await Promise.all([
    prepareTemporal({ ...options, env: process.env, executable: process.env['TEMPORAL_EXECUTABLE'] || undefined }),
    prepareKafka(options),
    preparePostgres(options),
  ]);
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
