// What happens before any TypeScript runs: checks the machine, installs packages, gets the servers. Imports nothing that is not in Node.
import { fetchServers } from './fetch-servers.mjs';
import { install, isInstalled } from './install.mjs';
import { cacheDir, checkRequirements, describeMissing } from './requirements.mjs';

/**
 * Makes the machine ready for `headrace up`, or for the tests. Prints what it does and nothing when nothing is to be done. Everything
 * is checked before anything is downloaded; packages and servers then come side by side. Rejects with what is missing or went wrong.
 */
export async function makeReady(env, print) {
  const { missing, work } = await checkRequirements(env);
  if (missing.length > 0) throw new Error(describeMissing(missing));
  for (const { text } of work) print(`the first start fetches ${text}`);
  // With the packages at hand, `up` gets the servers itself.
  if (isInstalled()) return;
  const stop = new AbortController();
  let isRequested = false;
  const onSignal = () => {
    isRequested = true;
    stop.abort();
  };
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'];
  for (const signal of signals) process.on(signal, onSignal);
  const side = [
    install(env, print, stop.signal),
    ...(work.length > 0
      ? [
          fetchServers(
            work.map(({ server }) => server),
            { env, cache: cacheDir(env), signal: stop.signal },
          ),
        ]
      : []),
  ];
  try {
    await Promise.all(side);
  } catch (error) {
    // What goes on beside it is of no use any more.
    stop.abort();
    await Promise.allSettled(side);
    throw isRequested ? new Error('stopped') : error;
  } finally {
    for (const signal of signals) process.off(signal, onSignal);
  }
}
