import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync, statSync } from 'node:fs';
import { platform } from 'node:os';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startGuard } from './guard.ts';
import { rotateLogFile, tailLines } from './log-file.ts';

/** How a process ended. Exactly one of the two is set. */
export interface Exit {
  code: number | null;
  signal: NodeJS.Signals | null;
}

export interface LaunchOptions {
  /** Word for messages: "kafka". */
  name: string;
  command: string;
  args: string[];
  /** Both streams are appended to this file. */
  logFile: string;
  cwd?: string;
  env?: NodeJS.ProcessEnv;
  uid?: number;
  gid?: number;
  /** What asks this program to stop. @default 'SIGTERM' */
  stopSignal?: NodeJS.Signals;
  /** After this long it is killed. @default killAfterMs */
  stopTimeoutMs?: number;
  /** Told the pid as soon as there is one. */
  onLaunch?: (pid: number) => void;
}

/** A child in a process group of its own, so that a Ctrl+C in the terminal reaches only us and we decide the order. */
export interface ManagedProcess {
  name: string;
  pid: number;
  logFile: string;
  /** Where this run's part of the log file begins, in bytes. */
  logOffset: number;
  exited: Promise<Exit>;
  hasExited: () => boolean;
  stop: () => Promise<Exit>;
  kill: (signal: NodeJS.Signals) => void;
  logTail: (lines?: number) => string[];
}

/** Sends a signal to a process group; a group that is gone is no error. */
export function signalGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(platform() === 'win32' ? pid : -pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

function spawned(child: ChildProcess, options: LaunchOptions): Promise<number> {
  return new Promise((resolve, reject) => {
    child.once('spawn', () => resolve(child.pid as number));
    child.once('error', (error) => {
      reject(new Error(`cannot start ${options.name} (${options.command}): ${error.message}`, { cause: error }));
    });
  });
}

/** Says how a process ended, for messages. */
export function describeExit(exit: Exit): string {
  return exit.signal === null ? `exited with code ${exit.code}` : `was ended by ${exit.signal}`;
}

/** A program that has not stopped by then is killed. Processes of ours end by themselves before (contracts/timeouts.ts). */
export const killAfterMs = 8_000;

/**
 * Starts a program in its own process group, both streams into a log file, watched by a guard that ends it should
 * this process die without a word. Rejects when the program cannot be started at all.
 */
export async function launch(options: LaunchOptions): Promise<ManagedProcess> {
  const { name, logFile, stopSignal = 'SIGTERM', stopTimeoutMs = killAfterMs } = options;
  mkdirSync(dirname(logFile), { recursive: true });
  rotateLogFile(logFile);
  const logOffset = existsSync(logFile) ? statSync(logFile).size : 0;
  const log = openSync(logFile, 'a');
  const child = spawn(options.command, options.args, {
    cwd: options.cwd,
    env: options.env,
    uid: options.uid,
    gid: options.gid,
    detached: true,
    stdio: ['ignore', log, log],
  });
  let exit: Exit | undefined;
  const exited = new Promise<Exit>((resolve) => {
    child.once('exit', (code, signal) => {
      exit = { code, signal };
      resolve(exit);
    });
  });
  const pid = await spawned(child, options).finally(() => closeSync(log));
  options.onLaunch?.(pid);
  const guard = startGuard(pid, stopSignal, stopTimeoutMs);
  void exited.then(() => guard.dismiss());

  async function stopOnce(): Promise<Exit> {
    if (exit === undefined) signalGroup(pid, stopSignal);
    const abort = new AbortController();
    const deadline = sleep(stopTimeoutMs, undefined, { signal: abort.signal, ref: false }).then(
      () => signalGroup(pid, 'SIGKILL'),
      () => undefined,
    );
    const result = await exited;
    abort.abort();
    await deadline;
    // Children that the leader left behind in its group go with it.
    signalGroup(pid, 'SIGKILL');
    return result;
  }
  let stopping: Promise<Exit> | undefined;
  return {
    name,
    pid,
    logFile,
    logOffset,
    exited,
    hasExited: () => exit !== undefined,
    stop: () => (stopping ??= stopOnce()),
    kill: (signal) => {
      if (exit === undefined) signalGroup(pid, signal);
    },
    logTail: (lines = 20) => tailLines(logFile, lines, logOffset),
  };
}
