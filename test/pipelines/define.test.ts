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

type Helpers = Record<'value' | 'count' | 'sum', (...parts: unknown[]) => unknown>;

describe('definePipeline', () => {
  test('fills in the defaults', () => {
    expect(define({})).toMatchObject({
      topic: { name: 'visits', partitions: 4, chains: 1 },
      allowedLatenessMs: 86_400_000,
      allowedAheadMs: 86_400_000,
      features: { visits_1h: { kind: 'window', delayMs: 0 } },
    });
  });

  test.each<[string, object]>([
    ['name', { name: 'Not Good' }],
    ['topic.name', { topic: { name: 'a/b' } }],
    ['topic.partitions', { topic: { name: 'a', partitions: 0 } }],
    ['topic.chains', { topic: { name: 'a', chains: 0 } }],
    ['topic.chains', { topic: { name: 'a', chains: 1.5 } }],
    ['topic.chains', { topic: { name: 'a', chains: '2' } }],
    ['topic.chains', { topic: { name: 'a', chains: 5 } }],
    ['topic.chains', { topic: { name: 'a', partitions: 12, chains: 13 } }],
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

  test.each<[string, object]>([
    ['name', { name: undefined }],
    ['topic.name', { topic: { name: '..' } }],
    ['entities.user: must be a function', { entities: { user: 'userId' } }],
    ['entities.constructor: a name', { entities: { constructor: () => 'u' } }],
    ['features: a function that returns', { features: () => undefined }],
    [
      'features.visits: entity "toString" is none of user',
      { features: ({ count }: Helpers) => ({ visits: count({ entity: 'toString', lengthMs: 1 }) }) },
    ],
    ['features.amount: must be made with value, count', { features: () => ({ amount: 5 }) }],
    ['features.amount: must be a function', { features: ({ value }: Helpers) => ({ amount: value('amount') }) }],
    [
      'features.total: what it adds up needs a name',
      { features: ({ sum }: Helpers) => ({ total: sum(() => 1, { entity: 'user', lengthMs: 1 }) }) },
    ],
    [
      'features.total: read: must be a function',
      { features: ({ sum }: Helpers) => ({ total: sum({ name: 'amount' }, { entity: 'user', lengthMs: 1 }) }) },
    ],
    [
      'features.visits: lengthMs',
      { features: ({ count }: Helpers) => ({ visits: count({ entity: 'user', lengthMs: Infinity }) }) },
    ],
    ['allowedLatenessMs', { allowedLatenessMs: '1 day' }],
    ['allowedAheadMs', { allowedAheadMs: NaN }],
    ['allowedLatenessMs', { allowedLatenessMs: Infinity }],
    ['outcomes: at least one', { outcomes: undefined }],
    ['outcomes: texts of 1 to 100', { outcomes: ['pay\0ment'] }],
    ['outcomes: texts of 1 to 100', { outcomes: ['ok', ''] }],
    ['outcomes: texts of 1 to 100', { outcomes: [1] }],
    ['outcomes: texts of 1 to 100', { outcomes: ['constructor'] }],
    ['model.version: a text', { model: { name: 'm', version: 1, input: 'x', outputs: { score: 1 } } }],
    ['model.outputs', { model: { name: 'm', input: 'x', outputs: ['score'] } }],
    [
      'model.fallback: must be a function',
      { model: { name: 'm', input: 'x', outputs: { score: 1 }, fallback: { score: 0 } } },
    ],
    ['sinks: a list', { sinks: undefined }],
    ['sinks: a list', { sinks: ['lake'] }],
    ['sinks.lake.when: must be a function', { sinks: [{ sink: 'lake', when: true }] }],
    ['review.title: must be a function', { review: { verdicts: ['yes'], timeoutMs: 1 } }],
    ['review: verdicts', { review: { verdicts: 'yes', timeoutMs: 1, title: () => '' } }],
    ['at most ten years', { review: { verdicts: ['yes'], timeoutMs: Number.MAX_SAFE_INTEGER, title: () => '' } }],
    ['review.verdicts: texts', { review: { verdicts: ['yes', 'yes'], timeoutMs: 1, title: () => '' } }],
  ])('names what a file can say whose types nobody checked: %s', (problem, parts) => {
    expect(() => define(parts)).toThrow(PipelineDefinitionError);
    expect(() => define(parts)).toThrow(problem);
  });

  test('takes events of any future where that is declared', () => {
    expect(define({ allowedAheadMs: Infinity })).toMatchObject({ allowedAheadMs: Infinity });
  });

  test('names everything that an empty definition lacks', () => {
    expect(() => definePipeline({} as never)).toThrow(
      /name:.*topic\.name:.*event:.*entities:.*features:.*outcomes:.*model:.*sinks:.*eventId:.*decide:/s,
    );
  });

  test('lists every problem at once', () => {
    expect(() => define({ name: '', outcomes: [] })).toThrow(/name:.*\n.*outcomes:/s);
  });
});
