import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { definePipeline, PipelineDefinitionError } from '../../index.ts';

const event = z.object({ id: z.string(), user: z.string(), at: z.number() });

function define(parts: object): unknown {
  return definePipeline({
    name: 'visits',
    topic: { name: 'visits' },
    event,
    eventId: (visit) => visit.id,
    eventTimeMs: (visit) => visit.at,
    entities: { user: (visit) => visit.user },
    features: ({ count }) => ({ visits_1h: count({ entity: 'user', lengthMs: 3_600_000 }) }),
    model: { name: 'visits', input: 'x', outputs: { score: 1 } },
    outcomes: ['show', 'hide'],
    decide: () => ({ outcome: 'show', why: 'always' }),
    sinks: [{ sink: 'dashboard' }],
    ...parts,
  });
}

describe('definePipeline', () => {
  test('fills in the defaults', () => {
    expect(define({})).toMatchObject({
      topic: { name: 'visits', partitions: 4 },
      allowedLatenessMs: 86_400_000,
      allowedAheadMs: 86_400_000,
      features: { visits_1h: { kind: 'window', delayMs: 0 } },
    });
  });

  test.each<[string, object]>([
    ['name', { name: 'Not Good' }],
    ['topic.name', { topic: { name: 'a/b' } }],
    ['topic.partitions', { topic: { name: 'a', partitions: 0 } }],
    ['event', { event: {} }],
    ['eventId', { eventId: 'id' }],
    ['entities', { entities: {} }],
    ['entities.card number: a name', { entities: { 'card number': (visit: { user: string }) => visit.user } }],
    ['review: verdicts, and timeoutMs', { review: { verdicts: ['yes'], timeoutMs: 1.1 * 3_600_000, title: () => '' } }],
    ['review.openMax', { review: { verdicts: ['yes'], timeoutMs: 1, title: () => '', openMax: 0 } }],
    ['features: a function', { features: {} }],
    [
      'features.visits: entity "nobody"',
      {
        features: () => ({ visits: { kind: 'window', aggregate: 'count', entity: 'nobody', lengthMs: 1, delayMs: 0 } }),
      },
    ],
    [
      'features.total: a sum needs',
      { features: () => ({ total: { kind: 'window', aggregate: 'sum', entity: 'user', lengthMs: 1, delayMs: 0 } }) },
    ],
    [
      'features.visits: lengthMs',
      { features: () => ({ visits: { kind: 'window', aggregate: 'count', entity: 'user', lengthMs: 0, delayMs: 0 } }) },
    ],
    ['outcomes', { outcomes: ['a', 'a'] }],
    ['model', { model: { name: '', input: 'x', outputs: { score: 1 } } }],
    ['model.outputs', { model: { name: 'm', input: 'x', outputs: {} } }],
    ['sinks', { sinks: [{ sink: 'lake' }, { sink: 'lake' }] }],
    ['review', { sinks: [{ sink: 'review' }] }],
  ])('names what is wrong: %s', (problem, parts) => {
    expect(() => define(parts)).toThrow(PipelineDefinitionError);
    expect(() => define(parts)).toThrow(problem);
  });

  test('lists every problem at once', () => {
    expect(() => define({ name: '', outcomes: [] })).toThrow(/name:.*\n.*outcomes:/s);
  });
});
