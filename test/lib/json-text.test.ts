import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { jsonElements, jsonMember } from '../../lib/json-text.ts';

const elements = (json: string) => jsonElements(Buffer.from(json)).map(String);

describe('jsonElements', () => {
  test.each([
    ['[]', []],
    [' [ ] ', []],
    ['[1]', ['1']],
    ['[1,2 , 3]', ['1', '2', '3']],
    ['[{"a":9007199254740993} ,\n{"b":[1,{"c":"]},["}]}]', ['{"a":9007199254740993}', '{"b":[1,{"c":"]},["}]}']],
    ['["a\\"],[","\\\\",""]', ['"a\\"],["', '"\\\\"', '""']],
    ['[[[1]],[]]', ['[[1]]', '[]']],
    ['\r\n\t{"a": 1.50}\n', ['{"a": 1.50}']],
    ['  true ', ['true']],
    ['"text, with ]"', ['"text, with ]"']],
    ['["ä",-1e5,null]', ['"ä"', '-1e5', 'null']],
  ])('of %s', (json, expected) => {
    expect(elements(json)).toEqual(expected);
  });

  test('property: each element is written as it was, with any whitespace around it', () => {
    const space = fc.stringMatching(/^[ \t\r\n]{0,3}$/);
    const element = fc.tuple(
      space,
      fc.oneof(
        fc.json(),
        fc.jsonValue().map((value) => JSON.stringify(value, undefined, 2)),
      ),
      space,
    );
    fc.assert(
      fc.property(space, fc.array(element), space, (before, parts, after) => {
        const json = `${before}[${parts.map((part) => part.join('')).join(',')}]${after}`;
        expect(elements(json)).toEqual(parts.map(([, text]) => text));
      }),
    );
  });

  test('takes time that is linear in the bytes', () => {
    const deep = `[${'['.repeat(500_000)}${']'.repeat(500_000)},{}]`;
    expect(elements(deep)).toHaveLength(2);
    expect(elements(`[${Array.from({ length: 200_000 }, () => '"\\""').join(',')}]`)).toHaveLength(200_000);
  });
});

describe('jsonMember', () => {
  test.each([
    ['{"data":{"id":9007199254740993,"x":"}"},"id":"a"}', '{"id":9007199254740993,"x":"}"}'],
    ['{ "id" : "data" , "data" : [1, 2] }', '[1, 2]'],
    ['{"data":1,"d\\u0061ta": 2 }', '2'],
    ['{"other":{"data":1}}', undefined],
    ['{"a":"\\"data\\":1"}', undefined],
    ['{}', undefined],
    ['["data"]', undefined],
  ])('of %s', (json, expected) => {
    expect(jsonMember(Buffer.from(json), 'data')?.toString()).toBe(expected);
  });

  test('property: finds what JSON.parse finds', () => {
    fc.assert(
      fc.property(
        fc.dictionary(fc.oneof(fc.string(), fc.constant('data')), fc.jsonValue(), { noNullPrototype: true }),
        fc.constantFrom(undefined, 2),
        (value, indent) => {
          const json = JSON.stringify(value, undefined, indent);
          const found = jsonMember(Buffer.from(json), 'data');
          const expected = (JSON.parse(json) as { data?: unknown }).data;
          expect(found === undefined ? undefined : JSON.parse(found.toString())).toEqual(expected);
        },
      ),
    );
  });
});
