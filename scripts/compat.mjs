// `npm run compat`: the tests that other releases of Kafka and of Node could break, on each of them, and a table of what came out.
// Releases come from Maven Central and from the npm package `node`; --kafka and --node take other lists, comma-separated.
import { spawn } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const root = fileURLToPath(new URL('..', import.meta.url));
const { values } = parseArgs({
  options: { kafka: { type: 'string', default: '4.0.2,4.3.1,4.4.0' }, node: { type: 'string', default: '20,22,24' } },
});

/** What talks to brokers, and a pipeline from end to end. */
const kafkaTests = [
  'test/stack/servers/kafka.test.ts',
  'test/kafka/consumer.test.ts',
  'test/bridge/start-at.test.ts',
  'test/runtime',
  'test/live/kafka-security.test.ts',
  'test/live/exactly-once.test.ts',
];
/** What is not pure TypeScript: native modules, threads, servers; and a pipeline from end to end. */
const nodeTests = [
  'test/contracts',
  'test/features',
  'test/pipelines',
  'test/runtime',
  'test/sinks',
  'test/stack',
  'test/inference-client',
  'test/worker',
  'test/gateway',
  'test/live/kafka-security.test.ts',
  'test/live/exactly-once.test.ts',
];

const lists = (text) =>
  text
    .split(',')
    .map((item) => item.trim())
    .filter(Boolean);

/** The exit code. Output goes where ours goes. */
function run(command, args, env = {}) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd: root, stdio: 'inherit', env: { ...process.env, ...env } });
    child.once('error', () => resolve(1));
    child.once('exit', (code) => resolve(code ?? 1));
  });
}

const vitest = (node, tests, env) => run(node, [join(root, 'node_modules/vitest/vitest.mjs'), 'run', ...tests], env);

/** The program of a release, installed on first use. */
async function nodeProgram(release) {
  if (process.versions.node.startsWith(`${release}.`)) return process.execPath;
  const folder = join(tmpdir(), `headrace-node-${release}`);
  mkdirSync(folder, { recursive: true });
  const code = await run('npm', [
    'install',
    '--no-save',
    '--no-audit',
    '--no-fund',
    '--prefix',
    folder,
    `node@${release}`,
  ]);
  if (code !== 0) throw new Error(`npm does not install node@${release}`);
  return join(folder, 'node_modules/node/bin/node');
}

const rows = [];
for (const release of lists(values.kafka)) {
  rows.push([
    `Apache Kafka ${release}`,
    await vitest(process.execPath, kafkaTests, { HEADRACE_TEST_KAFKA_VERSION: release }),
  ]);
}
for (const release of lists(values.node)) {
  const program = await nodeProgram(release);
  rows.push([
    `Node ${release}`,
    await vitest(program, nodeTests, { PATH: `${dirname(program)}${delimiter}${process.env.PATH}` }),
  ]);
}
for (const [name, code] of rows) process.stdout.write(`${name}: ${code === 0 ? 'passed' : 'FAILED'}\n`);
process.exit(rows.some(([, code]) => code !== 0) ? 1 : 0);
