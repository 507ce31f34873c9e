import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  bundleWorkflowCode,
  DefaultLogger,
  makeTelemetryFilterString,
  Runtime,
  Worker,
  type ReplayResult,
  type WorkflowBundleWithSourceMap,
} from '@temporalio/worker';
import { beforeAll, describe, expect, test } from 'vitest';
import { dataConverter } from '../../temporal/connection.ts';
import { readRecorded, recordedNames } from './histories.ts';

const root = join(import.meta.dirname, '..', '..');
const logger = new DefaultLogger('ERROR', () => undefined);
// What the native part says of a mutated workflow is the result here, not a warning.
Runtime.install({
  logger,
  telemetryOptions: { logging: { filter: makeTelemetryFilterString({ core: 'ERROR', other: 'ERROR' }) } },
});

/** Every one that was ever recorded: a fixture that went missing fails here. */
const expectedNames = [
  'batch-dead-letters',
  'batch-delivered',
  'batch-deliveries-timed-out',
  'batch-model-away',
  'batch-only-dead-letters',
  'batch-redriven',
  'batch-sink-away',
  'batch-worker-killed',
  'resume-read-again',
  'resume-tolerated',
  'review-escalated',
  'review-signal',
  'review-update',
  'roll-up-lake',
  'sweep',
];

/** As in a worker: all runs share the modules. */
function bundle(workflowsPath: string): Promise<WorkflowBundleWithSourceMap> {
  return bundleWorkflowCode({ workflowsPath, preloadModules: [workflowsPath], logger });
}

async function replayAll(
  workflowBundle: WorkflowBundleWithSourceMap,
  names: readonly string[],
): Promise<Map<string, ReplayResult['error']>> {
  const histories = names.map((name) => ({ workflowId: name, history: readRecorded(name) }));
  const errors = new Map<string, ReplayResult['error']>();
  for await (const { workflowId, error } of Worker.runReplayHistories(
    { workflowBundle, dataConverter: dataConverter({ key: undefined, oldKeys: undefined }) },
    histories,
  ))
    errors.set(workflowId, error);
  return errors;
}

/** Bundles the workflows after one exact piece of one file was changed, in a folder that is gone afterwards. */
async function bundleMutated(file: string, before: string, after: string): Promise<WorkflowBundleWithSourceMap> {
  const folder = mkdtempSync(join(tmpdir(), 'headrace-mutated-'));
  try {
    for (const part of ['workflows', 'contracts']) cpSync(join(root, part), join(folder, part), { recursive: true });
    symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
    const path = join(folder, 'workflows', file);
    const source = readFileSync(path, 'utf8');
    expect(source.split(before), `occurrences of "${before}" in ${file}`).toHaveLength(2);
    writeFileSync(path, source.replace(before, after));
    return await bundle(join(folder, 'workflows', 'index.ts'));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

describe('recorded histories', () => {
  let errors: Map<string, ReplayResult['error']>;
  beforeAll(async () => {
    errors = await replayAll(await bundle(join(root, 'workflows', 'index.ts')), recordedNames());
  });

  test('none is missing', () => {
    expect(recordedNames()).toEqual(expect.arrayContaining(expectedNames));
  });

  test.each(recordedNames())(
    "%s replays on today's code; if not, the change needs patched(), never a new recording",
    (name) => {
      expect(errors.has(name)).toBe(true);
      expect(errors.get(name)).toBeUndefined();
    },
  );
});

/** The line that parts scoring from delivering. */
const timer = "await sleep(1, { summary: 'ends the scoring task' });";

describe('the check bites', () => {
  test.each([
    {
      what: 'an extra timer',
      file: 'process-batch.ts',
      before: timer,
      after: `${timer} await sleep(1);`,
      name: 'batch-delivered',
    },
    {
      what: "a step of each sink's own",
      file: 'deliver-to-all.ts',
      before: 'let rows = tried.delivered[target];',
      after: 'let rows: number | undefined;',
      name: 'batch-delivered',
    },
    {
      what: 'decisions in a step of their own',
      file: 'process-batch.ts',
      before: 'if (scored.decisions)',
      after: 'if (false)',
      name: 'batch-delivered',
    },
    { what: 'no timer', file: 'process-batch.ts', before: timer, after: '', name: 'batch-delivered' },
    {
      what: 'one step less',
      file: 'review.ts',
      before: "upsertSearchAttributes([{ key: statusKey, value: 'decided' }]);",
      after: '',
      name: 'review-update',
    },
  ])('$what in $file fails on $name', async ({ file, before, after, name }) => {
    const errors = await replayAll(await bundleMutated(file, before, after), [name]);
    expect(errors.get(name)?.name).toBe('DeterminismViolationError');
    expect(errors.get(name)?.message).toContain('Nondeterminism error');
  });

  test('a copy without a change does not fail', async () => {
    const errors = await replayAll(await bundleMutated('process-batch.ts', timer, `${timer} `), recordedNames());
    expect([...errors.values()].filter(Boolean)).toEqual([]);
    expect(errors.size).toBe(recordedNames().length);
  });
});
