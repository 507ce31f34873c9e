import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { historyFromJson, historyToJson, type History } from '../../temporal/history/history-json.ts';

const folder = join(import.meta.dirname, 'histories');
/** Fixtures stay small enough to be read in a review. */
const bytesMax = 100_000;

/** Names of the recorded histories, in order. */
export function recordedNames(): string[] {
  return readdirSync(folder)
    .filter((file) => file.endsWith('.json'))
    .map((file) => file.slice(0, -'.json'.length))
    .sort();
}

/** Where a recorded history is. */
export function recordedFile(name: string): string {
  return join(folder, `${name}.json`);
}

export function isRecorded(name: string): boolean {
  return existsSync(recordedFile(name));
}

/** A recorded history as it was. */
export function readRecorded(name: string): History {
  return historyFromJson(JSON.parse(readFileSync(recordedFile(name), 'utf8')));
}

/**
 * Writes a history as raw proto3 JSON, without what says on whose machine it was made. Throws when it is too large, or when
 * there is one of this name: what was recorded once is never recorded again.
 */
export function record(name: string, history: History): void {
  const anonymous = JSON.stringify(historyToJson(history), anonymously, 1);
  if (anonymous.length > bytesMax)
    throw new Error(`the history "${name}" has ${anonymous.length} bytes, more than ${bytesMax}: use fewer events`);
  writeFileSync(recordedFile(name), `${anonymous}\n`, { flag: 'wx' });
}

/** Identities are `<process>@<host>`, and stack traces name folders. */
function anonymously(key: string, value: unknown): unknown {
  if (key === 'stackTrace') return '';
  return typeof value === 'string' && /^\d+@\S+$/.test(value) ? 'recorder' : value;
}
