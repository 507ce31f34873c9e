import { describe, expect, test } from 'vitest';
import { haltedText, problemOf, resumeText } from '../../cli/resume-text.ts';
import type { ReadAgainReport } from '../../contracts/resume.ts';

const chain = { deployment: 'local', pipeline: 'fraud', epoch: 0, topic: 'payments', layout: 0, chain: 1 };
const input = { deployment: 'local', pipeline: 'fraud', partitions: [], from: 10 };
const of = (parts: Partial<ReadAgainReport> = {}): ReadAgainReport => ({
  partition: 2,
  decidedTo: 100,
  copied: 0,
  gone: 0,
  refused: 0,
  ...parts,
});
const example = { offset: 12, code: 'NOT_JSON', reason: 'the value is no JSON text' };

describe('headrace resume', () => {
  test('says what waits', () => {
    const run = {
      workflowId: 'w',
      runId: 'r',
      chain,
      sequence: 3,
      ranges: [2, 5, 8, 11, 14].map((partition) => ({ partition, position: 7, end: 9, count: 2 })),
      positions: {},
      status: 'RUNNING',
      startedAtMs: 0,
      reason: 'REFUSED_IN_A_ROW: why',
      taskQueue: 'q',
    };
    expect(haltedText([run])).toBe(
      'w waits (partition 2 from offset 7, 5 from offset 7, 8 from offset 7, 11 from offset 7 and 1 more): REFUSED_IN_A_ROW: why\n',
    );
  });

  test('says what goes on', () => {
    expect(resumeText({ ...input, from: undefined }, { tolerated: [0, 2] })).toContain(
      'refuses on partition 0, 2 goes into dead letters from now on',
    );
    expect(problemOf({ ...input, from: undefined }, { tolerated: [0] }, [])).toBeUndefined();
  });

  test.each<[string, ReadAgainReport[], string, string | undefined]>([
    [
      'read again',
      [of({ copied: 3 }), of({ partition: 1 })],
      'partition 2: 3 refused records are read again, from the end of the partition',
      undefined,
    ],
    [
      'some only',
      [of({ copied: 3, refused: 2, example, gone: 1 })],
      '2 keep their dead letters, because the pipeline refuses them as before (offset 12: NOT_JSON, the value is no JSON text); 1 are gone',
      undefined,
    ],
    [
      'the schema is not mended',
      [of({ refused: 2, example })],
      '0 refused records are read again',
      'the pipeline refuses all of it as before',
    ],
    ['deleted', [of({ gone: 2 })], '2 are gone', 'retention has deleted what was refused from offset 10 on'],
    ['nothing left', [of()], 'Nothing that pipeline "fraud" has refused from offset 10 on is left', undefined],
    ['where the batch waits that is decided by itself', [of({ decidedTo: 10 })], 'Nothing that pipeline', undefined],
    [
      'beyond what is decided',
      [of({ decidedTo: 9 }), of({ partition: 1, decidedTo: null })],
      'Nothing that pipeline',
      'offset 10 is not decided yet (partition 2 waits at offset 9, partition 1 is decided up to offset 0): nothing is skipped',
    ],
  ])('tells of records that are wanted again: %s', (_, readAgain, said, problem) => {
    expect(resumeText(input, { readAgain })).toContain(said);
    const why = problemOf(input, { readAgain }, [2]);
    if (problem === undefined) expect(why).toBeUndefined();
    else expect(why).toContain(problem);
  });

  test('knows when a partition does not exist', () => {
    expect(problemOf({ ...input, partitions: [2, 7] }, { readAgain: [of()] }, [])).toBe('the topic has no partition 7');
  });
});
