import { randomUUID } from 'node:crypto';
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Marks a folder as ours, so that `--reset` never empties another one, and says what it is made of. */
export const markerName = 'headrace-data-folder';

/** Raised when an older folder cannot be read any more. Folders of 0.1 have none. */
const format = 1;

/** What belongs together: each part says where the others are, by offsets, ids and commits. A lake may be deleted. */
const parts = ['servers/temporal', 'servers/kafka', 'servers/postgres', 'features'] as const;
export type FolderPart = (typeof parts)[number];

/** Lies in each part and names the folder that it belongs to. */
const partMark = 'part-of';

interface Marker {
  format: number;
  id: string;
  /** What the folder has had. */
  parts: FolderPart[];
}

const headline = 'Data of Headrace. `npm start -- --reset` empties this folder.';

function readMarker(root: string): Marker | undefined {
  const [, json] = readFileSync(join(root, markerName), 'utf8').split('\n');
  try {
    return JSON.parse(json ?? '') as Marker;
  } catch {
    return undefined;
  }
}

function writeMarker(root: string, marker: Marker): void {
  const file = join(root, markerName);
  writeFileSync(`${file}.draft`, `${headline}\n${JSON.stringify(marker)}\n`);
  renameSync(`${file}.draft`, file);
}

/** Marks an empty folder as ours. */
export function markFolder(root: string): void {
  writeMarker(root, { format, id: randomUUID(), parts: [] });
}

const markOf = (folder: string): string | undefined =>
  existsSync(join(folder, partMark)) ? readFileSync(join(folder, partMark), 'utf8').trim() : undefined;

/** Writes down which parts the folder has by now; `checkFolder` wants all of them from then on. */
export function recordParts(root: string): void {
  const marker = readMarker(root);
  if (marker === undefined) return;
  const found = parts.filter((part) => existsSync(join(root, part)));
  const fresh = found.filter((part) => markOf(join(root, part)) === undefined);
  for (const part of fresh) writeFileSync(join(root, part, partMark), `${marker.id}\n`);
  if (found.some((part) => !marker.parts.includes(part)))
    writeMarker(root, { ...marker, parts: [...new Set([...marker.parts, ...found])] });
}

/**
 * Throws one sentence when an earlier version made the folder, or when a part of it is missing or another folder's, as after a move that
 * took some of it: what is left would go on as if the rest had never been. Parts in `unused` are not looked at.
 */
export function checkFolder(root: string, unused: readonly FolderPart[] = []): void {
  const marker = readMarker(root);
  if (marker?.format !== format)
    throw new Error(
      `data folder ${root} was made by another version of Headrace (${marker === undefined ? '0.1' : `format ${marker.format}`}), and this one cannot go on with it: begin from scratch with --reset, choose another with --data-dir, or go on with the version that made it`,
    );
  for (const part of marker.parts) {
    if (unused.includes(part)) continue;
    const folder = join(root, part);
    const owner = markOf(folder);
    if (owner === marker.id) continue;
    const what = !existsSync(folder)
      ? `${part} is missing`
      : owner === undefined
        ? `${part} is not the one that was there`
        : `${part} belongs to another data folder`;
    throw new Error(
      `data folder ${root} is not whole: ${what}. Put back what belongs there, or begin from scratch with --reset`,
    );
  }
}
