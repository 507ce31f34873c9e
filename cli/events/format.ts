import { basename } from 'node:path';
import { isJson, jsonElements } from '../../lib/json-text.ts';
import { isSpace } from './piece.ts';

/** How the events of a text stand in it. */
export type EventsFormat =
  /** One JSON text a line. */
  | 'lines'
  /** JSON texts over several lines, one after another, or the elements of one array. */
  | 'values'
  /** Nothing but whitespace. */
  | 'empty';

/** A file, or standard input, that holds no events that can be read. The message is the one sentence that its reader needs. */
export class EventsFileError extends Error {
  override readonly name = 'EventsFileError';
}

/** The most that is looked at before it is decided. */
export const headBytesMax = 64 * 1024;

const wanted = 'it must be JSON lines (one JSON object a line), or a JSON array of objects';

/**
 * How the events stand in the text that begins with these bytes; undefined when more of them are needed. Throws an EventsFileError
 * when it is surely another format: a file of events with a broken line in it is none, and its broken lines are refused one by one.
 */
export function formatOf(name: string, head: Buffer, isWhole: boolean): EventsFormat | undefined {
  const isAll = isWhole || head.length >= headBytesMax;
  // Half a character at the end does no harm: all that is looked for is ASCII.
  let start = 0;
  while (start < head.length && isSpace(head[start]!)) start++;
  const text = head.toString('utf8', start);
  if (text === '') return isWhole ? 'empty' : isAll ? 'lines' : undefined;
  if (text.startsWith('[') || holdsSeveral(head.subarray(start), isAll)) return 'values';
  const [first, second] = firstLines(text, isWhole);
  if (first === undefined) return isAll ? 'lines' : undefined;
  if (isJson(first.trim())) return 'lines';
  if (text.startsWith('{')) return goesOn(first, text.slice(first.length), isAll);
  if (second === undefined && !isAll) return undefined;
  if (second !== undefined && isJson(second.trim())) return 'lines';
  throw new EventsFileError(`${name} ${describe(name, head, [first, second ?? ''])}`);
}

/** True when the first line is objects side by side, as jq -j and delivery services write them. Of a line that is too long its beginning counts. */
function holdsSeveral(text: Buffer, isAll: boolean): boolean {
  const ends = [text.indexOf(0x0a), text.indexOf(0x0d)].filter((at) => at >= 0);
  if (ends.length === 0 && !isAll) return false;
  const line = ends.length > 0 ? text.subarray(0, Math.min(...ends)) : text;
  let objects = 0;
  for (let at = 0; line[at] === 0x7b; objects++) {
    const object = jsonElements(line.subarray(at))[0]!;
    // A line that was cut off is a broken line. Only one that goes on behind what is seen of it may end within an object.
    if (!isJson(object.toString())) return objects > 1 && ends.length === 0;
    at += object.length;
    while (line[at] === 0x20 || line[at] === 0x09) at++;
    if (at < line.length && line[at] !== 0x7b) return false;
  }
  return objects > 1;
}

/** The sentence for a file whose first bytes belong to a format of their own. */
export function binarySentence(name: string, format: string): string {
  const remedies: Record<string, string> = {
    zip: 'unpack it first',
    tar: 'unpack it first',
    '7z': 'unpack it first',
    zstd: 'unpack it first (zstd -d)',
    bzip2: 'unpack it first (bunzip2)',
    xz: 'unpack it first (unxz)',
    lz4: 'unpack it first (lz4 -d)',
    Parquet: convertWithDuckdb(name),
    Avro: convertWithDuckdb(name),
    'Excel (xlsx)': 'save it as CSV and convert that',
  };
  return `${name} is ${format}: ${wanted}; ${remedies[format] ?? 'convert it first'}`;
}

/** The first two lines that are not blank; one that is cut off is not among them. */
function firstLines(text: string, isWhole: boolean): string[] {
  const lines = text.split(/\r\n|\n|\r/);
  if (!isWhole) lines.pop();
  return lines.filter((line) => line.trim() !== '').slice(0, 2);
}

/** Tells an object that goes on in the next line from one that was cut off, by how the line ends and the next one begins. */
function goesOn(line: string, rest: string, isAll: boolean): EventsFormat | undefined {
  const end = line.trimEnd().at(-1)!;
  if (!'{[,'.includes(end)) return 'lines';
  const next = rest.trimStart()[0];
  if (next === undefined) return isAll ? 'lines' : undefined;
  const open = innermostOpen(line);
  if (open === '{') return next === '"' || next === '}' ? 'values' : 'lines';
  return open === '[' ? 'values' : 'lines';
}

/** The bracket that is open at the end of a line. */
function innermostOpen(line: string): string | undefined {
  const open: string[] = [];
  for (const [token] of line.matchAll(/"(?:[^"\\]|\\.)*"|[{}[\]]/g)) {
    if (token === '{' || token === '[') open.push(token);
    else if (token === '}' || token === ']') open.pop();
  }
  return open.at(-1);
}

function describe(name: string, head: Buffer, lines: readonly [string, string]): string {
  const [first, second] = lines;
  const start = first.trimStart();
  if (head.includes(0) || !beginsAsUtf8(head)) return `is no text: ${wanted}, in UTF-8 or UTF-16`;
  if (start.startsWith('<')) return `is ${/^<(!doctype html|html)/i.test(start) ? 'HTML' : 'XML'}: ${wanted}`;
  const json = first.indexOf('{');
  if (json > 0 && isJson(first.slice(json)))
    return `has something before the JSON of its first line: ${wanted}; cut off in each line what stands before the first {`;
  const [firstCells, secondCells] = [withoutQuoted(first), withoutQuoted(second)];
  const delimiter = [',', '\t', ';', '|'].find(
    (each) => firstCells.includes(each) && firstCells.split(each).length === secondCells.split(each).length,
  );
  if (delimiter !== undefined) return `is ${delimiter === '\t' ? 'TSV' : 'CSV'}: ${wanted}; ${convertWithDuckdb(name)}`;
  if (/^(---|[\w-]+:(\s|$)|- )/.test(start)) return `looks like YAML: ${wanted}`;
  return `is no JSON, from its first line on: ${wanted}`;
}

/** A line of CSV without what stands in quotes, where a delimiter is none. */
function withoutQuoted(line: string): string {
  return line.replace(/"(?:[^"]|"")*"/g, '');
}

/** The last character may be cut off. */
function beginsAsUtf8(head: Buffer): boolean {
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(head, { stream: true });
    return true;
  } catch {
    return false;
  }
}

function convertWithDuckdb(name: string): string {
  const stem = basename(name).replace(/\.\w+$/, '');
  return `convert it, for example with: duckdb -c "copy (from '${name}') to '${stem}.jsonl' (format json)"`;
}
