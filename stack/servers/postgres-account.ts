import { chownSync, readFileSync, statSync } from 'node:fs';
import { dirname, parse } from 'node:path';
import { CommandError, runCommand } from './command.ts';

/** How to run a program as an account that PostgreSQL accepts. */
export interface RunAs {
  uid?: number;
  gid?: number;
  /** Rewrites a command line where a plain change of user is not enough. */
  wrap: (command: string, args: string[]) => { command: string; args: string[] };
  /** Hands a file or folder to that account. */
  give: (path: string) => void;
}

const ownAccount: RunAs = { wrap: (command, args) => ({ command, args }), give: () => undefined };

/** Accounts that may stand in for root, best first. Every Linux has the second one. */
const standIns = ['postgres', 'nobody'];

function findStandIn(): { name: string; uid: number; gid: number } {
  const lines = readFileSync('/etc/passwd', 'utf8').split('\n').map((line) => line.split(':'));
  for (const name of standIns) {
    const fields = lines.find((candidate) => candidate[0] === name);
    if (fields !== undefined && Number(fields[2]) > 0) return { name, uid: Number(fields[2]), gid: Number(fields[3]) };
  }
  throw new Error('PostgreSQL refuses to run as root and there is no account postgres or nobody: run as an ordinary user, or set DATABASE_URL');
}

/** Whether everybody may pass through all folders above the path. */
function isReachable(path: string): boolean {
  for (let folder = dirname(path); ; folder = dirname(folder)) {
    if ((statSync(folder).mode & 0o001) === 0) return false;
    if (folder === parse(folder).root) return true;
  }
}

async function hasSetpriv(): Promise<boolean> {
  try {
    await runCommand({ command: 'setpriv', args: ['--version'], timeoutMs: 5_000 });
    return true;
  } catch (error) {
    if (error instanceof CommandError) return false;
    throw error;
  }
}

/**
 * PostgreSQL refuses to run as root, so root runs it as another account. That account cannot pass a private folder
 * (a home of mode 0700); there it keeps one right of root's, to look past folder modes, through `setpriv`.
 * @param paths what the account must reach: programs and the data folder.
 */
export async function postgresAccount(paths: string[]): Promise<RunAs> {
  if (process.platform === 'win32' || process.getuid?.() !== 0) return ownAccount;
  const { name, uid, gid } = findStandIn();
  const give = (path: string): void => chownSync(path, uid, gid);
  const blocked = paths.find((path) => !isReachable(path));
  if (blocked === undefined) return { uid, gid, wrap: (command, args) => ({ command, args }), give };
  if (!(await hasSetpriv())) {
    throw new Error(`PostgreSQL runs as ${name} when started by root, and ${name} cannot reach ${blocked}: choose a folder open to all (--data-dir), install setpriv, or run as an ordinary user`);
  }
  const flags = ['--reuid', String(uid), '--regid', String(gid), '--clear-groups', '--inh-caps', '+dac_override', '--ambient-caps', '+dac_override'];
  return { wrap: (command, args) => ({ command: 'setpriv', args: [...flags, '--', command, ...args] }), give };
}
