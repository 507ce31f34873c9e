import {
  chownSync,
  existsSync,
  lchownSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { CommandError, runCommand } from './command.ts';

/** How to run a program as an account that PostgreSQL accepts. */
export interface RunAs {
  /** For messages: "as postgres". */
  title: string;
  uid?: number;
  gid?: number;
  /** Rewrites a command line where a plain change of user is not enough. */
  wrap: (command: string, args: string[]) => { command: string; args: string[] };
  /** Hands a folder and all in it to that account. */
  give: (path: string) => void;
}

interface Account {
  name: string;
  uid: number;
  gid: number;
}

/** Accounts that may stand in for root, best first. Every Linux has the second one. */
const standIns = ['postgres', 'nobody'];

function standInAccounts(): Account[] {
  const lines = existsSync('/etc/passwd')
    ? readFileSync('/etc/passwd', 'utf8')
        .split('\n')
        .map((line) => line.split(':'))
    : [];
  return standIns.flatMap((name) => {
    const fields = lines.find((candidate) => candidate[0] === name);
    return fields !== undefined && Number(fields[2]) > 0
      ? [{ name, uid: Number(fields[2]), gid: Number(fields[3]) }]
      : [];
  });
}

/** Whoever runs `sudo npm start` in a home of his own: his account passes its folders. */
function ownerOf(path: string): Account[] {
  const { uid, gid } = statSync(path);
  return uid === 0 ? [] : [{ name: `user ${uid}, who owns ${basename(path)}`, uid, gid }];
}

function chownTree(path: string, uid: number, gid: number): void {
  const state = lstatSync(path);
  if (state.uid === uid && state.gid === gid) return;
  if (state.isDirectory()) for (const name of readdirSync(path)) chownTree(join(path, name), uid, gid);
  // The folder itself last: where this is interrupted, the next start goes on.
  if (state.isSymbolicLink()) lchownSync(path, uid, gid);
  else chownSync(path, uid, gid);
}

const direct: RunAs['wrap'] = (command, args) => ({ command, args });

function as({ name, uid, gid }: Account): RunAs {
  return { title: `as ${name}`, uid, gid, wrap: direct, give: (path) => chownTree(path, uid, gid) };
}

/** To files it is still us; to itself, and so to PostgreSQL, it has the number of another account. */
function inNamespace({ name, uid, gid }: Account): RunAs {
  const flags = ['--user', `--map-user=${uid}`, `--map-group=${gid}`];
  return {
    title: `in a user namespace, as ${name}`,
    wrap: (command, args) => ({ command: 'unshare', args: [...flags, '--', command, ...args] }),
    give: (path) => {
      const owner = process.getuid?.();
      if (owner === 0) chownTree(path, owner, process.getgid?.() ?? 0);
    },
  };
}

/** With one right of root's, to look past the modes of folders. PostgreSQL wants its programs reachable without it. */
function withOverride({ name, uid, gid }: Account): RunAs {
  const flags = [
    '--reuid',
    String(uid),
    '--regid',
    String(gid),
    '--clear-groups',
    '--inh-caps',
    '+dac_override',
    '--ambient-caps',
    '+dac_override',
  ];
  return {
    title: `as ${name}, past the modes of folders`,
    wrap: (command, args) => ({ command: 'setpriv', args: [...flags, '--', command, ...args] }),
    give: (path) => chownTree(path, uid, gid),
  };
}

/** A way to run PostgreSQL here, and what it needs elsewhere. */
export interface PostgresWay {
  runAs: RunAs;
  /** Needs its programs in a folder that all can enter. */
  copied?: true;
  /** Needs its data there, too. */
  moved?: true;
}

/**
 * The ways in which PostgreSQL may run here, best first. It refuses to run as root, whose folders (a home of mode 0700) no other
 * account can enter; and it refuses an account that has no name, as containers have them.
 * @param program a file of the installation.
 */
export function postgresWays(program: string): PostgresWay[] {
  const own: RunAs = { title: 'as this user', wrap: direct, give: () => undefined };
  const isUnix = process.platform !== 'win32';
  const [standIn, ...others] = isUnix ? standInAccounts() : [];
  if (process.getuid?.() !== 0)
    return [
      { runAs: own },
      ...[...others, standIn].slice(0, 1).flatMap((account) => (account ? [{ runAs: inNamespace(account) }] : [])),
    ];
  if (standIn === undefined) return [];
  return [
    ...[standIn, ...others, ...ownerOf(program)].map((account) => ({ runAs: as(account) })),
    { runAs: inNamespace(standIn) },
    { runAs: as(standIn), copied: true },
    { runAs: withOverride(standIn), copied: true },
    { runAs: as(standIn), copied: true, moved: true },
  ];
}

const tryTimeoutMs = 20_000;

/** Why PostgreSQL cannot run in this way with data in that folder; undefined when it can. Its own program looks, and writes nothing. */
export async function whyNot(
  runAs: RunAs,
  initdb: string,
  folder: string,
  env: NodeJS.ProcessEnv | undefined,
): Promise<string | undefined> {
  const trial = join(folder, `trial-${process.pid}`);
  try {
    mkdirSync(trial, { mode: 0o700 });
    runAs.give(trial);
    // The account must pass all folders above its data, which the program alone does not look at before it writes.
    const script =
      'if ! cd "$1" || ! : > written; then echo "it cannot write in $1"; exit 1; fi; exec "$2" --show "--pgdata=$1"';
    const { command, args } = runAs.wrap('/bin/sh', ['-c', script, 'headrace', trial, initdb]);
    const shell =
      process.platform === 'win32' ? { command: initdb, args: ['--show', `--pgdata=${trial}`] } : { command, args };
    await runCommand({ ...shell, timeoutMs: tryTimeoutMs, uid: runAs.uid, gid: runAs.gid, env, cwd: '/' });
    return undefined;
  } catch (error) {
    return error instanceof CommandError ? error.reason : (error as Error).message;
  } finally {
    rmSync(trial, { recursive: true, force: true });
  }
}
