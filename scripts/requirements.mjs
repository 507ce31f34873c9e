// What this machine needs before anything can start, checked all at once. No dependencies: it runs before they are installed.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { homedir, platform } from 'node:os';
import { join } from 'node:path';

const versions = JSON.parse(readFileSync(new URL('../stack/servers/versions.json', import.meta.url), 'utf8'));
const probeTimeoutMs = 20_000;
const internetTimeoutMs = 4_000;

/** Where server programs are cached; the same rule as stack/servers/cache-dir.ts. */
export function cacheDir(env) {
  if (env.HEADRACE_CACHE_DIR) return env.HEADRACE_CACHE_DIR;
  if (platform() === 'darwin') return join(homedir(), 'Library', 'Caches', 'headrace');
  return join(env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'headrace');
}

/** Output of a program on both streams; undefined when it is not there or fails. */
function outputOf(command, args, env) {
  const result = spawnSync(command, args, {
    env,
    encoding: 'utf8',
    timeout: probeTimeoutMs,
    shell: platform() === 'win32',
  });
  return result.status === 0 ? `${result.stdout}\n${result.stderr}` : undefined;
}

/** Whether a dotted version is at least another one. */
export function isAtLeast(version, wanted) {
  const [a, b] = [version, wanted].map((text) => text.split('.').map(Number));
  for (let i = 0; i < b.length; i += 1) if ((a[i] ?? 0) !== b[i]) return (a[i] ?? 0) > b[i];
  return true;
}

/** The version in a program's output by a pattern with one group; undefined when the program is missing. */
function versionOf(command, args, pattern, env) {
  const output = outputOf(command, args, env);
  return output === undefined ? undefined : pattern.exec(output)?.[1];
}

async function hasInternet() {
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

function checkKafka(env, cache) {
  if (env.KAFKA_BROKERS) return { missing: [], work: [] };
  const missing = [];
  const java = versionOf('java', ['-version'], /version "(\d+(?:\.\d+)*)/, env);
  if (java === undefined || !isAtLeast(java, '17')) {
    missing.push({
      what: `Java 17 or newer, for Kafka (${java === undefined ? 'there is none' : `this is ${java}`})`,
      how: 'Debian, Ubuntu: apt install openjdk-17-jre-headless; macOS: brew install openjdk@17; or set KAFKA_BROKERS to a Kafka of your own',
      cost: '1 minute, 200 MB',
    });
  }
  if (existsSync(join(cache, `kafka-${versions.kafka}`))) return { missing, work: [] };
  if (outputOf(platform() === 'win32' ? 'mvn.cmd' : 'mvn', ['-v'], env) === undefined) {
    missing.push({
      what: 'Maven, which fetches Kafka',
      how: 'Debian, Ubuntu: apt install maven; macOS: brew install maven; or set KAFKA_BROKERS to a Kafka of your own',
      cost: '1 minute, 10 MB',
    });
  }
  return { missing, work: [`Kafka ${versions.kafka}: 46 MB by Maven, under a minute`] };
}

async function checkTemporal(env, cache) {
  const program = platform() === 'win32' ? 'temporal.exe' : 'temporal';
  if (
    env.TEMPORAL_ADDRESS ||
    env.TEMPORAL_EXECUTABLE ||
    existsSync(join(cache, `temporal-${versions.temporal}`, program))
  )
    return { missing: [], work: [] };
  const own = versionOf('temporal', ['--version'], /Server (\d+\.\d+)/, env);
  if (own !== undefined && isAtLeast(own, '1.28')) return { missing: [], work: [] };
  const go = versionOf('go', ['version'], /go(\d+\.\d+)/, env);
  if (await hasInternet()) return { missing: [], work: ['Temporal server: 70 MB download, under a minute'] };
  if (go !== undefined && isAtLeast(go, '1.24'))
    return {
      missing: [],
      work: ['Temporal server: built once with Go, 2 to 3 minutes on two cores, 2 GB of disk meanwhile'],
    };
  return {
    missing: [
      {
        what: `a Temporal server: none of a temporal program on PATH, open internet, Go 1.24 (${go === undefined ? 'there is no Go' : `this is ${go}`})`,
        how: 'install Go from https://go.dev/dl, or the temporal program (named by TEMPORAL_EXECUTABLE), or set TEMPORAL_ADDRESS to a Temporal of your own',
        cost: '1 minute and 70 MB for Go, then 3 minutes to build',
      },
    ],
    work: [],
  };
}

/**
 * Checks everything and answers all of it: `missing` (what, how to get it, what that costs) and `work` (what the first
 * start fetches or builds).
 */
export async function checkRequirements(env) {
  const cache = cacheDir(env);
  const kafka = checkKafka(env, cache);
  const temporal = await checkTemporal(env, cache);
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
