import { spawn } from 'node:child_process';
import { platform } from 'node:os';

/** Watches over one child on behalf of its parent. */
export interface Guard {
  /** The child is gone: the guard leaves too. */
  dismiss(): void;
}

/**
 * Blocks on a pipe whose other end only the parent holds. The kernel closes it when the parent dies, however it
 * dies; then the guard asks the group to stop, and kills it when it is still there after the deadline.
 */
const script = `
read -r nothing
kill -s "$2" -- "-$1" 2> /dev/null || exit 0
left=$3
while [ "$left" -gt 0 ] && kill -s 0 -- "-$1" 2> /dev/null; do sleep 1; left=$((left - 1)); done
kill -s KILL -- "-$1" 2> /dev/null
exit 0
`;

/**
 * Starts a guard for the process group led by `pid`. A second line of defence stands behind it: the run-state file,
 * by which the next start finds leftovers. On Windows there is none.
 */
export function startGuard(pid: number, stopSignal: NodeJS.Signals, stopTimeoutMs: number): Guard {
  if (platform() === 'win32') return { dismiss: () => undefined };
  const seconds = String(Math.ceil(stopTimeoutMs / 1_000));
  const guard = spawn('/bin/sh', ['-c', script, 'headrace-guard', String(pid), stopSignal.slice(3), seconds], {
    // A session of its own, or a Ctrl+C meant for the parent would end the guard first.
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  // Without a shell there is no guard; the run-state file still finds leftovers.
  guard.on('error', () => undefined);
  guard.stdin.on('error', () => undefined);
  guard.unref();
  (guard.stdin as unknown as { unref?: () => void }).unref?.();
  return {
    dismiss: () => {
      // SIGKILL first: an end of its input would make it signal a group whose number may be someone else's by now.
      guard.kill('SIGKILL');
      guard.stdin.destroy();
    },
  };
}
