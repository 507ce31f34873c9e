import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { batchWorkflowId, eventKey, parseBatchId, parseEventKey, reviewWorkflowId } from '../../contracts/event-key.ts';

const name = fc.stringMatching(/^[A-Za-z0-9._-]{1,30}$/);
const topic = { deployment: name, pipeline: name, epoch: fc.nat(), topic: name };
const partition = fc.record({ ...topic, partition: fc.nat() }, { noNullPrototype: true });
const chain = fc.record({ ...topic, layout: fc.nat(), chain: fc.nat() }, { noNullPrototype: true });

describe('event key', () => {
  test('is read back as it was written', () => {
    fc.assert(
      fc.property(partition, fc.nat(), (parts, offset) => {
        expect(parseEventKey(eventKey(parts, offset))).toEqual({ ...parts, offset });
      }),
    );
  });

  test('needs no escaping in a URL', () => {
    fc.assert(
      fc.property(partition, fc.nat(), (parts, offset) => {
        expect(encodeURI(eventKey(parts, offset))).toBe(eventKey(parts, offset));
      }),
    );
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

describe('batch id', () => {
  test('is read back as it was written, and needs no escaping in a URL', () => {
    fc.assert(
      fc.property(chain, fc.nat(), (parts, sequence) => {
        const id = batchWorkflowId(parts, sequence);
        expect(parseBatchId(id)).toEqual({ ...parts, sequence });
        expect(encodeURI(id)).toBe(id);
      }),
    );
  });

  test('is no id of a review', () => {
    const batch = batchWorkflowId({ deployment: 'd', pipeline: 'p', epoch: 0, topic: 't', layout: 0, chain: 0 }, 7);
    expect(batch).not.toBe(reviewWorkflowId('d:p:0:t:0.0:7'));
    expect(() => parseBatchId(reviewWorkflowId('d:p:0:t:0.0:7'))).toThrow(TypeError);
  });

  test.each([
    '',
    'd:p:0:t:0.0:7',
    'batch:d:p:0:t:0:7',
    'batch:d:p:0:t:0.0',
    'batch:d:p:0:t:0.x:7',
    'batch:d:p:0:t:0.0:-7',
    'batch:d:p:0:t:.0:7',
    'batch:d:p:0:t:0.0:7:8',
    'batch:d d:p:0:t:0.0:7',
  ])('refuses "%s"', (text) => {
    expect(() => parseBatchId(text)).toThrow(TypeError);
  });
});
