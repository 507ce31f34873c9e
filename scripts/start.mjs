// `npm start`: checks the machine, installs packages, then becomes `headrace up`. Imports nothing that is not in Node.
import { checkRequirements, describeMissing } from './requirements.mjs';
import { install, isInstalled } from './install.mjs';
import { describeSwallowed, swallowedFlags } from './swallowed-flags.mjs';

const print = (text) => process.stdout.write(`${text}\n`);

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

function refuse(message) {
  process.stderr.write(`${message}\n`);
  process.exit(1);
}

const args = process.argv.slice(2);
if (process.env.npm_lifecycle_event === 'start') {
  const meant = swallowedFlags(process.env, args);
  if (meant !== undefined) refuse(describeSwallowed('npm start', meant));
  stopWithParent();
}
if (!args.includes('--help') && !args.includes('-h')) {
  print('checking what this machine has');
  const { missing, work } = await checkRequirements(process.env);
  if (missing.length > 0) refuse(describeMissing(missing));
  for (const item of work) print(`the first start fetches ${item}`);
}
if (!isInstalled()) await install(process.env, print).catch((error) => refuse(error.message));

// In this very process: signals and the exit code need no passing on.
process.argv = [process.argv[0], process.argv[1], 'up', ...args];
await import('../cli/headrace.mjs');
