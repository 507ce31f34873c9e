// `npm start`: becomes `headrace up`, which checks the machine and installs packages. Imports nothing that is not in Node.
import { describeSwallowed, swallowedFlags } from './swallowed-flags.mjs';

/**
 * npm that is sent SIGTERM dies and leaves us running, which nobody wants who stopped it. When our parent is gone we stop,
 * as if the signal had reached us.
 */
function stopWithParent() {
  const parent = process.ppid;
  const timer = setInterval(() => {
    if (process.ppid === parent) return;
    // Once: a second request means "at once".
    clearInterval(timer);
    process.kill(process.pid, 'SIGTERM');
  }, 500);
  timer.unref();
}

const args = process.argv.slice(2);
if (process.env.npm_lifecycle_event === 'start') {
  const meant = swallowedFlags(process.env, args);
  if (meant !== undefined) {
    process.stderr.write(`${describeSwallowed('npm start', meant)}\n`);
    process.exit(1);
  }
  stopWithParent();
}

// In this very process: signals and the exit code need no passing on.
process.argv = [process.argv[0], process.argv[1], 'up', ...args];
await import('../cli/headrace.mjs');
