import type { Exit, ManagedProcess } from './process.ts';

/** The servers that Headrace can run by itself on one machine. */
export type ServerName = 'temporal' | 'kafka' | 'postgres' | 'model-server';

/**
 * One step of a long preparation. `done`, `total` and `unit` are present when the size of the work is known;
 * `expectedMs` when only its usual length is.
 */
export interface Progress {
  server: ServerName;
  /** A sentence fragment for people: "building the Temporal server with Go". */
  what: string;
  done?: number;
  total?: number;
  unit?: string;
  elapsedMs: number;
  expectedMs?: number;
}

/** Receives preparation progress, at most about once a second per step. */
export type OnProgress = (progress: Progress) => void;

/** Options that every `prepareX` takes. */
export interface PrepareOptions {
  /** Folder shared by all projects and test runs of this user. Created when missing. */
  cacheDir: string;
  onProgress?: OnProgress;
  signal?: AbortSignal;
}

/** A server of ours that runs, was seen ready, and is stopped by us. */
export interface EmbeddedServer {
  name: ServerName;
  /** `host:port` that clients connect to. */
  address: string;
  pid: number;
  logFile: string;
  /** Resolves when the process is gone, for whatever reason. Never rejects. */
  exited: Promise<Exit>;
  /** Asks the server to stop, kills it after its deadline. Safe to call twice. */
  stop: () => Promise<void>;
  /** Sends a signal to the whole process group. For fault tests, and for the last resort. */
  kill: (signal: NodeJS.Signals) => void;
  /** The last lines of its log, newest last. */
  logTail: (lines?: number) => string[];
}

/** Options that every `startX` takes. */
export interface StartOptions {
  /** Folder that the server keeps its data, settings and log in. Created when missing. */
  dataDir: string;
  /** Port to try first; any free one is taken when it is in use. Default: any free one. */
  preferredPort?: number;
  /** Exactly this port, for a restart: clients hold the address already. */
  port?: number;
  /** Told the pid as soon as there is one, long before the server is ready. */
  onLaunch?: (pid: number) => void;
  /** How long the server may take until it answers. */
  readyTimeoutMs?: number;
  /** Environment for the child. Default: that of this process. */
  env?: NodeJS.ProcessEnv;
}

/** The common part of an embedded server, from its process. */
export function serverOf(name: ServerName, address: string, child: ManagedProcess): EmbeddedServer {
  return {
    name,
    address,
    pid: child.pid,
    logFile: child.logFile,
    exited: child.exited,
    kill: child.kill,
    logTail: child.logTail,
    stop: async () => {
      await child.stop();
    },
  };
}
