import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { signalGroup } from './process.ts';

export interface CommandOptions {
  command: string;
  args: string[];
  timeoutMs: number;
  cwd?: string;
  env?: NodeJS.ProcessEnv;
  uid?: number;
  gid?: number;
  /** Called for each line of either stream. */
  onLine?: (line: string) => void;
  signal?: AbortSignal;
}

/** Thrown when a command cannot be started, exits with a failure, or overstays its deadline. */
export class CommandError extends Error {
  override name = 'CommandError';
  /** True when there is no such program. */
  readonly missing: boolean;
  /** The line that most likely says why, for a sentence. */
  readonly reason: string;
  constructor(message: string, missing: boolean, { cause, lastLine }: { cause?: unknown; lastLine?: string } = {}) {
    super(message, { cause });
    this.missing = missing;
    this.reason = lastLine ?? message;
  }
}

const keptLinesMax = 200;

/** Runs a command to its end and returns its output lines (the last 200). */
export function runCommand(options: CommandOptions): Promise<string[]> {
  const { command, args, timeoutMs } = options;
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd: options.cwd,
      env: options.env,
      uid: options.uid,
      gid: options.gid,
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const lines: string[] = [];
    const keep = (line: string): void => {
      lines.push(line);
      if (lines.length > keptLinesMax) lines.shift();
      options.onLine?.(line);
    };
    createInterface({ input: child.stdout }).on('line', keep);
    createInterface({ input: child.stderr }).on('line', keep);
    const end = (): void => {
      if (child.pid !== undefined) signalGroup(child.pid, 'SIGKILL');
    };
    const timer = setTimeout(end, timeoutMs);
    options.signal?.addEventListener('abort', end, { once: true });
    if (options.signal?.aborted) end();
    const title = `${command} ${args.slice(0, 3).join(' ')}`;
    const finish = (): void => {
      clearTimeout(timer);
      options.signal?.removeEventListener('abort', end);
    };
    child.once('error', (error: NodeJS.ErrnoException) => {
      finish();
      reject(new CommandError(`cannot run ${command}: ${error.message}`, error.code === 'ENOENT', { cause: error }));
    });
    const startedAt = Date.now();
    child.once('close', (code, signal) => {
      finish();
      if (code === 0) return resolve(lines);
      if (options.signal?.aborted) return reject(new CommandError(`${title}: stopped on request`, false));
      const overstayed = signal !== null && Date.now() - startedAt >= timeoutMs;
      const how = overstayed
        ? `took longer than ${Math.round(timeoutMs / 1_000)} s`
        : signal === null
          ? `exited with code ${code}`
          : `was ended by ${signal}`;
      reject(
        new CommandError(`${title}: ${how}. Its last lines:\n  ${lines.slice(-15).join('\n  ')}`, false, {
          lastLine: lines.at(-1),
        }),
      );
    });
  });
}
