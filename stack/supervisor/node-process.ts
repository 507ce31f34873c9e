import { fileURLToPath } from 'node:url';
import { launch } from '../servers/process.ts';
import { findJsonLine, waitUntilReady } from '../servers/ready.ts';
import type { Running } from './service.ts';

export interface NodeProcessOptions {
  name: string;
  /** Its `main.ts`, run from source. */
  main: string;
  /** Its whole environment. */
  env: NodeJS.ProcessEnv;
  logFile: string;
  /** @default 60000 */
  readyTimeoutMs?: number;
  onLaunch?: (pid: number) => void;
  /** Told what the ready line says. */
  onReady?: (line: Record<string, unknown>) => void;
}

/** Arguments of Node for a process of ours. One thread of V8's own is enough beside the servers. */
export function nodeArgs(main: string): string[] {
  return ['--v8-pool-size=1', '--import', 'tsx', main];
}

/** glibc keeps an arena per thread by default, and with many native threads that is much memory that nobody uses. */
export const nodeEnv = { MALLOC_ARENA_MAX: '2' };

const root = fileURLToPath(new URL('../..', import.meta.url));

/** Starts one of our own processes and waits for its ready line: one JSON object with `"ready": true` on standard output. */
export async function startNodeProcess(options: NodeProcessOptions): Promise<Running> {
  const child = await launch({
    name: options.name,
    command: process.execPath,
    args: nodeArgs(options.main),
    cwd: root,
    // Its output goes to a file: libraries that colour theirs without looking are asked not to (Temporal's native part is one).
    env: { ...nodeEnv, ...options.env, NO_COLOR: '1', FORCE_COLOR: undefined },
    logFile: options.logFile,
    onLaunch: options.onLaunch,
  });
  try {
    const line = await waitUntilReady({
      process: child,
      timeoutMs: options.readyTimeoutMs ?? 60_000,
      probe: async () => findJsonLine(child, (found) => (found['ready'] === true ? found : undefined)),
    });
    options.onReady?.(line);
    return child;
  } catch (error) {
    await child.stop();
    throw error;
  }
}
