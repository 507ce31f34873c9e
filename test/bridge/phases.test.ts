import { describe, expect, test } from 'vitest';
import { intakeTransitions, type IntakePhase } from '../../bridge/intake.ts';
import {
  chainTransitions,
  partitionTransitions,
  transition,
  type ChainPhase,
  type PartitionPhase,
} from '../../bridge/phases.ts';
import { createChainStatus } from '../../bridge/work-status.ts';
import { until } from '../live/wait.ts';
import { chainRig } from './chain-rig.ts';
import { fetchOf, instantClock, recordAt } from './fakes.ts';

type Table = Readonly<Record<string, readonly string[]>>;

const chainPhases: { [kind in ChainPhase['kind']]: ChainPhase } = {
  resolving: { kind: 'resolving' },
  records: { kind: 'records', woken: Promise.resolve(), wake: () => undefined },
  scoring: { kind: 'scoring', sinceMs: 0 },
  drained: { kind: 'drained' },
  halted: { kind: 'halted', during: 'scoring' },
  stopped: { kind: 'stopped' },
};
const partitionPhases: { [kind in PartitionPhase['kind']]: PartitionPhase } = {
  resolving: { kind: 'resolving' },
  reading: { kind: 'reading' },
  unreadable: { kind: 'unreadable', from: 3, reason: 'cut' },
  halted: { kind: 'halted', during: 'reading' },
  stopped: { kind: 'stopped' },
};

/** All kinds that can be reached from one. */
function reachable(table: Table, from: string): Set<string> {
  const seen = new Set([from]);
  for (const kind of seen) for (const next of table[kind]!) seen.add(next);
  return seen;
}

describe.each<[string, Table, Record<string, { kind: string }>]>([
  ['a chain', chainTransitions, chainPhases],
  ['a partition', partitionTransitions, partitionPhases],
])('the phases of %s', (_, table, phases) => {
  const kinds = Object.keys(table);

  test.each(kinds.flatMap((from) => kinds.map((to) => ({ from, to }))))(
    '$from to $to follows the table',
    ({ from, to }) => {
      const step = () => transition(table, phases[from]!, phases[to]!);
      if (table[from]!.includes(to)) expect(step()).toBe(phases[to]);
      else expect(step).toThrow(`a phase "${from}" cannot lead to "${to}"`);
    },
  );

  test('each is reached; each can be halted and stopped; nothing leaves stopped', () => {
    expect([...reachable(table, 'resolving')].toSorted()).toEqual(kinds.toSorted());
    for (const kind of kinds.filter((other) => other !== 'stopped'))
      expect(table[kind]).toEqual(expect.arrayContaining(['halted', 'stopped']));
    expect(table['stopped']).toEqual([]);
  });
});

test('halted remembers the phase that was interrupted, also when a second reason comes', () => {
  const status = createChainStatus(instantClock, { waiting: () => {}, halted: () => {} });
  status.enter(chainPhases.records);
  status.halt('first');
  status.halt('second');
  expect(status.phase).toEqual({ kind: 'halted', during: 'records' });
  expect(status.waiting).toMatchObject({ kind: 'halted', text: 'second' });
  status.abandon();
  status.abandon();
  expect(status.phase).toEqual({ kind: 'stopped' });
  status.halt('third');
  expect(status.phase).toEqual({ kind: 'stopped' });
});

test('an illegal step halts the chain, and the operator is told which', async () => {
  const { running, source } = chainRig();
  const chain = await running();
  const allowed = chainTransitions.records as ChainPhase['kind'][];
  const all = allowed.splice(0);
  allowed.push('halted', 'stopped');
  try {
    chain.fetched(fetchOf(0, [recordAt(0)]));
    await until('halted', () => chain.standing().waiting.kind === 'halted', { everyMs: 1 });
  } finally {
    allowed.splice(0, allowed.length, ...all);
  }
  expect(chain.standing().waiting).toMatchObject({
    text: expect.stringContaining('"records" cannot lead to "scoring"') as string,
  });
  expect(source.paused).toBe(true);
  await chain.abandon();
});

test('each phase of the intake is reached, and none is a dead end', () => {
  const all = Object.keys(intakeTransitions) as IntakePhase['kind'][];
  for (const kind of all) expect([...reachable(intakeTransitions, kind)].toSorted()).toEqual(all.toSorted());
});
