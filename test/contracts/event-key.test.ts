import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { batchWorkflowId, eventKey, parseEventKey, reviewWorkflowId } from '../../contracts/event-key.ts';

const name = fc.stringMatching(/^[A-Za-z0-9._-]{1,30}$/);
const chain = fc.record(
  { deployment: name, pipeline: name, epoch: fc.nat(), topic: name, partition: fc.nat() },
  { noNullPrototype: true },
);

describe('event key', () => {
  test('is read back as it was written', () => {
    fc.assert(
      fc.property(chain, fc.nat(), (parts, offset) => {
        expect(parseEventKey(eventKey(parts, offset))).toEqual({ ...parts, offset });
      }),
    );
  });

  test('needs no escaping in a URL', () => {
    fc.assert(
      fc.property(chain, fc.nat(), (parts, offset) => {
        expect(encodeURI(eventKey(parts, offset))).toBe(eventKey(parts, offset));
      }),
    );
  });

  test('a batch and a review of the same offset have different workflow ids', () => {
    const parts = { deployment: 'd', pipeline: 'p', epoch: 0, topic: 't', partition: 0 };
    expect(batchWorkflowId(parts, 7)).not.toBe(reviewWorkflowId(eventKey(parts, 7)));
  });

  test.each([
    '',
    'a:b:c',
    'd:p:0:t:0',
    'd:p:0:t:0:1:2',
    'd:p:x:t:0:1',
    'd:p:0:t:-1:1',
    'd:p:0:t t:0:1',
    'd:p:0:t:0:1e3',
    'd:p:0:t:0:99999999999999999',
  ])('refuses "%s"', (text) => {
    expect(() => parseEventKey(text)).toThrow(TypeError);
  });
});
