import type { Exit } from '../servers/process.ts';

/** A started service as the supervisor sees it. Every embedded server and every process of ours has this shape. */
export interface Running {
  pid: number;
  logFile: string;
  exited: Promise<Exit>;
  stop: () => Promise<unknown>;
  kill: (signal: NodeJS.Signals) => void;
  logTail: (lines?: number) => string[];
}

/** Something the supervisor starts, watches and stops. */
export interface Service {
  name: string;
  /** Services that must be ready before it starts and stay until it has stopped. */
  needs: string[];
  /**
   * Starts it and resolves when it is ready; undefined means that it was a task and is done. Called again after each
   * death, and must then come up at the same address.
   * @param onLaunch to be told the pid as soon as there is one.
   */
  start: (onLaunch: (pid: number) => void) => Promise<Running | undefined>;
  /** An exit with code 0 is its regular end. @default false */
  mayFinish?: boolean;
  /** When it dies for good the whole system stops. @default true */
  essential?: boolean;
}

/**
 * Where a service stands.
 * - `waiting`: for a service that it needs
 * - `starting`: launched, not ready yet
 * - `ready`
 * - `restarting`: died, waiting for its back-off or coming up again
 * - `finished`: a task that is done, or a regular end
 * - `failed`: did not come up at first, or died too often; nobody restarts it
 * - `stopped`: by us
 */
export type ServiceState = 'waiting' | 'starting' | 'ready' | 'restarting' | 'finished' | 'failed' | 'stopped';

/** What the supervisor tells about a service. */
export type ServiceEvent =
  | { type: 'starting'; service: string }
  | { type: 'ready'; service: string; tookMs: number }
  | { type: 'died'; service: string; reason: string; logFile?: string; logTail: string[]; restartInMs: number }
  | { type: 'failed'; service: string; reason: string; logFile?: string; logTail: string[] }
  | { type: 'finished'; service: string }
  | { type: 'stopped'; service: string };
