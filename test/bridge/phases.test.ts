import { describe, expect, test } from 'vitest';
import { intakeTransitions, type IntakePhase } from '../../bridge/intake.ts';
import { transition, transitions, type PartitionPhase, type PhaseKind } from '../../bridge/partition-phase.ts';
import { PartitionStatus } from '../../bridge/partition-status.ts';
import { until } from '../live/wait.ts';
import { fetchOf, instantClock, recordAt, recordingReports } from './fakes.ts';
import { chain, partitionRig } from './partition-rig.ts';

const kinds = Object.keys(transitions) as PhaseKind[];
const phases: { [kind in PhaseKind]: PartitionPhase } = {
  resolving: { kind: 'resolving' },
  records: { kind: 'records', woken: Promise.resolve(), wake: () => undefined },
  unreadable: { kind: 'unreadable', from: 3, reason: 'cut' },
  scoring: { kind: 'scoring', sinceMs: 0 },
  drained: { kind: 'drained' },
  halted: { kind: 'halted', during: 'scoring' },
  stopped: { kind: 'stopped' },
};

/** All kinds that can be reached from one. */
function reachable<Kind extends string>(table: { readonly [from in Kind]: readonly Kind[] }, from: Kind): Set<Kind> {
  const seen = new Set<Kind>([from]);
  for (const kind of seen) for (const next of table[kind]) seen.add(next);
  return seen;
}

describe('the phases of a partition', () => {
  test.each(kinds.flatMap((from) => kinds.map((to) => ({ from, to }))))(
    '$from to $to follows the table',
    ({ from, to }) => {
      const step = () => transition(transitions, phases[from], phases[to]);
      if (transitions[from].includes(to)) expect(step()).toBe(phases[to]);
      else expect(step).toThrow(`cannot go from "${from}" to "${to}"`);
    },
  );

  test('each is reached; each can be halted and stopped; nothing leaves stopped', () => {
    expect([...reachable(transitions, 'resolving')].toSorted()).toEqual(kinds.toSorted());
    for (const kind of kinds.filter((other) => other !== 'stopped'))
      expect(transitions[kind]).toEqual(expect.arrayContaining(['halted', 'stopped']));
    expect(transitions.stopped).toEqual([]);
  });

  test('halted remembers the phase that was interrupted, also when a second reason comes', () => {
    const status = new PartitionStatus({ clock: instantClock, reports: recordingReports() }, chain);
    status.enter(phases.records);
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

  test('an illegal step halts the partition, and the operator is told which', async () => {
    const { running, source } = partitionRig();
    const partition = await running();
    const allowed = transitions.records as PhaseKind[];
    const all = allowed.splice(0);
    allowed.push('halted', 'stopped');
    try {
      partition.fetched(fetchOf(0, [recordAt(0)]));
      await until('halted', () => partition.standing.waiting.kind === 'halted', { everyMs: 1 });
    } finally {
      allowed.splice(0, allowed.length, ...all);
    }
    expect(partition.standing.waiting).toMatchObject({ text: expect.stringContaining('from "records" to "scoring"') });
    expect(source.paused).toBe(true);
    await partition.abandon();
  });
});

test('each phase of the intake is reached, and none is a dead end', () => {
  const all = Object.keys(intakeTransitions) as IntakePhase['kind'][];
  for (const kind of all) expect([...reachable(intakeTransitions, kind)].toSorted()).toEqual(all.toSorted());
});
