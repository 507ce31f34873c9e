// Runs npm, the one that runs us where there is one. No dependencies.
import { spawn } from 'node:child_process';
import { platform } from 'node:os';

const keptLinesMax = 15;
const linesMax = 500;
/** What npm says of a registry that does not answer. */
const unreachable =
  /\b(ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|EHOSTUNREACH|ERR_SOCKET_TIMEOUT)\b/;

/** What npm says went wrong, without the page on its usage that follows. */
function essence(lines) {
  const usage = lines.findIndex((line) => /^npm error (Clean install a project|Usage:)/.test(line));
  return lines
    .slice(0, usage < 0 ? lines.length : usage)
    .filter((line) => line.trim() !== 'npm error')
    .slice(0, keptLinesMax)
    .join('\n  ');
}

/** Resolves when npm ends well. Rejects with what npm said. */
export function runNpm(args, { cwd, env, signal }) {
  const npm =
    env.npm_execpath && env.npm_execpath.endsWith('.js')
      ? [process.execPath, env.npm_execpath]
      : [platform() === 'win32' ? 'npm.cmd' : 'npm'];
  return new Promise((resolve, reject) => {
    const child = spawn(npm[0], [...npm.slice(1), ...args, '--no-fund', '--no-audit', '--loglevel=error'], {
      cwd,
      env,
      signal,
      stdio: ['ignore', 'pipe', 'pipe'],
      shell: platform() === 'win32',
    });
    const lines = [];
    const keep = (chunk) => {
      lines.push(
        ...String(chunk)
          .split('\n')
          .filter((line) => line.trim() !== ''),
      );
      lines.splice(linesMax);
    };
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    child.once('error', (error) => reject(new Error(`npm cannot be run: ${error.message}`)));
    child.once('close', (code) => {
      if (code === 0) return resolve();
      if (lines.some((line) => unreachable.test(line))) {
        return reject(
          new Error(
            'the npm packages cannot be installed because npm does not reach its registry: connect this machine, or name a registry that it reaches (npm config set registry)',
          ),
        );
      }
      return reject(new Error(`npm install failed:\n  ${essence(lines)}`));
    });
  });
}
