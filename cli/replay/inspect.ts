import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { choosePort } from '@headrace/stack/servers';

const program = fileURLToPath(new URL('../headrace.mjs', import.meta.url));
/** Where debuggers look by themselves. */
const usualPort = 9_229;

/** Runs the command once more, in a process that waits for a debugger before it does anything. Returns its exit code. */
export async function runUnderDebugger(args: readonly string[]): Promise<number> {
  const port = await choosePort(usualPort);
  const byHand = port === usualPort ? '' : `, add 127.0.0.1:${port} under "Configure"`;
  process.stderr.write(
    [
      `Waiting for a debugger on 127.0.0.1:${port}.`,
      `  Chrome: open chrome://inspect${byHand}, and choose "inspect".`,
      `  VS Code: "Debug: Attach to Node Process"${port === usualPort ? '' : `, or an attach configuration with port ${port}`}.`,
      'It stops where the workflow begins; from there breakpoints in workflows/*.ts work. No result is computed: all are taken from history.',
      '',
    ].join('\n'),
  );
  const child = spawn(process.execPath, [`--inspect-wait=127.0.0.1:${port}`, program, ...args], {
    stdio: 'inherit',
    env: { ...process.env, TEMPORAL_DEBUG: '1' },
  });
  // A terminal sends Ctrl+C to both; whoever ends only this process means both as well.
  const forward = (signal: NodeJS.Signals) => child.kill(signal);
  process.on('SIGINT', forward).on('SIGTERM', forward);
  try {
    const [code] = (await once(child, 'exit')) as [number | null];
    return code ?? 1;
  } finally {
    process.off('SIGINT', forward).off('SIGTERM', forward);
  }
}
