import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdtempSync,
  readlinkSync,
  realpathSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { openFolder } from './open-folder.ts';
import { postgresWays, whyNot } from './postgres-account.ts';
import type { PostgresWay, RunAs } from './postgres-account.ts';
import { copyPostgres } from './postgres-binaries.ts';
import type { PostgresBinaries } from './postgres-binaries.ts';

/** Where PostgreSQL runs from, on which data, and as whom. */
export interface PostgresHome {
  binaries: PostgresBinaries;
  runAs: RunAs;
  /** Holds the cluster. */
  folder: string;
}

export interface PostgresHomeOptions {
  binaries: PostgresBinaries;
  dataDir: string;
  env?: NodeJS.ProcessEnv;
  /** Told, a sentence each, of what lies elsewhere than asked for. */
  onNote?: (note: string) => void;
}

/** A link in the data folder to where the cluster is, when it could not be there. */
const linkName = 'elsewhere';

/** Where the cluster of a data folder is. */
function folderOf(dataDir: string): string {
  const link = join(dataDir, linkName);
  if (!isLink(link)) return dataDir;
  if (existsSync(link)) return realpathSync(link);
  throw new Error(
    `the data of PostgreSQL was in ${readlinkSync(link)}, which is gone: put it back, or begin anew with --reset`,
  );
}

function isLink(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() === true;
}

/** Deletes what a data folder has elsewhere. */
export function removePostgresElsewhere(dataDir: string): void {
  const link = join(dataDir, linkName);
  if (!isLink(link)) return;
  rmSync(readlinkSync(link), { recursive: true, force: true });
  rmSync(link);
}

/** Makes a folder for the cluster that every account can enter. */
function makeElsewhere(): string {
  const folder = mkdtempSync(join(openFolder(), 'postgres-data-'));
  chmodSync(folder, 0o755);
  return folder;
}

async function tryWay(
  { runAs, copied, moved }: PostgresWay,
  options: PostgresHomeOptions,
  folder: string,
): Promise<PostgresHome | string> {
  const { dataDir, env } = options;
  const mayMove = moved === true && folder === dataDir && !existsSync(join(dataDir, 'cluster'));
  if (moved === true && !mayMove) return 'there is data already, and it is not moved';
  const binaries = copied === true ? await copyPostgres({ cacheDir: openFolder() }) : options.binaries;
  const place = mayMove ? makeElsewhere() : folder;
  const reason = await whyNot(runAs, binaries.initdb, place, env);
  if (reason !== undefined) {
    if (mayMove) rmSync(place, { recursive: true, force: true });
    return reason;
  }
  if (mayMove) symlinkSync(place, join(dataDir, linkName));
  return { binaries, runAs, folder: place };
}

function tell({ binaries, folder, runAs }: PostgresHome, options: PostgresHomeOptions): void {
  const { dataDir, onNote } = options;
  if (folder !== dataDir)
    onNote?.(`PostgreSQL runs ${runAs.title} and keeps its data in ${folder}: that account cannot enter ${dataDir}`);
  else if (binaries !== options.binaries)
    onNote?.(
      `PostgreSQL runs ${runAs.title} from ${dirname(binaries.postgres)}: that account cannot reach ${options.binaries.postgres}`,
    );
}

/**
 * Finds out how PostgreSQL can run here with its data in this folder, by trying. Rejects with one sentence and what each way failed
 * with.
 */
export async function findPostgresHome(options: PostgresHomeOptions): Promise<PostgresHome> {
  const folder = folderOf(options.dataDir);
  const failures: string[] = [];
  for (const way of postgresWays(options.binaries.postgres)) {
    const title = `${way.runAs.title}${way.moved ? ', programs and data elsewhere' : way.copied ? ', programs elsewhere' : ''}`;
    const found = await tryWay(way, options, folder).catch((error: unknown) => (error as Error).message);
    if (typeof found !== 'string') {
      tell(found, options);
      return found;
    }
    failures.push(`${title}: ${found}`);
  }
  throw new Error(
    'PostgreSQL cannot run here: it refuses to run as root and as an account without a name, and no other account can reach its programs and ' +
      `${options.dataDir}. Run as an ordinary user, choose a --data-dir that all may enter, or set DATABASE_URL to a PostgreSQL of your own.\n` +
      failures.map((failure) => `  ${failure}`).join('\n'),
  );
}
