// Not from index.ts: this runs while npm still installs the packages that other files there import.
import { defaultCacheDir } from './cache-dir.ts';
import { prepareKafka } from './kafka-jars.ts';
import { preparePostgres } from './postgres-binaries.ts';
import { prepareTemporal } from './temporal-binary.ts';
import type { Progress } from './types.ts';

// Gets the programs of embedded servers into the cache, side by side, with a line every few seconds, and ends. Its arguments name
// the servers; without any it gets all.
const printIntervalMs = 5_000;
const printedAt = new Map<string, number>();
const print = (text: string): void => void process.stdout.write(`${text}\n`);

function onProgress({ server, what, done, total, unit, elapsedMs }: Progress): void {
  if (Date.now() - (printedAt.get(server) ?? 0) < printIntervalMs) return;
  printedAt.set(server, Date.now());
  const amount = done === undefined ? '' : `, ${done}${total === undefined ? '' : ` of ${total}`} ${unit ?? ''}`;
  print(`${server}: ${what}${amount.trimEnd()}, ${Math.round(elapsedMs / 1_000)} s`);
}

const stop = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => stop.abort());

const { env } = process;
const options = { cacheDir: defaultCacheDir(env), onProgress, signal: stop.signal };
const servers = {
  temporal: () => prepareTemporal({ ...options, env, executable: env['TEMPORAL_EXECUTABLE'] || undefined }),
  kafka: () => prepareKafka(options),
  postgres: () => preparePostgres(options),
};
const names = (process.argv.length > 2 ? process.argv.slice(2) : Object.keys(servers)) as (keyof typeof servers)[];

async function get(name: keyof typeof servers): Promise<void> {
  const startedAt = Date.now();
  await servers[name]();
  print(`${name}: in place after ${Math.round((Date.now() - startedAt) / 1_000)} s`);
}

try {
  await Promise.all(names.map(get));
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
  // What cannot come any more is not waited for.
  stop.abort();
}
