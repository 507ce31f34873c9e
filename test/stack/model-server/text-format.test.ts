import { describe, expect, it } from 'vitest';
import { type Message, parseTextFormat, type Value } from '../../../stack/model-server/text-format.ts';

/** A message as plain objects, words in angle brackets. */
function plain(value: Value): unknown {
  if (value.kind !== 'message') return value.kind === 'word' ? `<${value.value}>` : value.value;
  return Object.fromEntries([...value.fields].map(([name, values]) => [name, values.map(plain)]));
}

const parse = (source: string) => plain(parseTextFormat(source));

describe('protobuf text format', () => {
  it('reads fields, lists, messages and comments in the notations that people use', () => {
    expect(
      parse(`
      # a comment
      name: "m"  max_batch_size: 8,
      input [ { name: 'x' dims: [ -1, 3 ] }, { name: "y", dims: 4; } ]
      output: { data_type: TYPE_FP32 }
      output < dims: [] >
      instance_group { count: 1 kind: KIND_CPU } # another
    `),
    ).toEqual({
      name: ['m'],
      max_batch_size: ['<8>'],
      input: [
        { name: ['x'], dims: ['<-1>', '<3>'] },
        { name: ['y'], dims: ['<4>'] },
      ],
      output: [{ data_type: ['<TYPE_FP32>'] }, { dims: [] }],
      instance_group: [{ count: ['<1>'], kind: ['<KIND_CPU>'] }],
    });
    expect(parse('')).toEqual({});
  });

  it('reads escapes, and strings beside each other as one', () => {
    expect(parse(String.raw`a: "one \"two\"\n" 'three' b: "# no comment"`)).toEqual({
      a: ['one "two"\nthree'],
      b: ['# no comment'],
    });
  });

  it('keeps the line of each value', () => {
    const message: Message = parseTextFormat('a: 1\n\nb: "x\\n"\nc {\n}');
    expect([...message.fields.values()].map(([value]) => value?.line)).toEqual([1, 3, 4]);
  });

  it.each([
    ['a', "line 1: expected ':' or '{', found the end of the file"],
    ['a: {\nb: 1', "line 2: expected the name of a field or '}', found the end of the file"],
    ['a: 1\n}', "line 2: expected the name of a field, found '}'"],
    ['a: [1 2]', "line 1: expected ',' or ']', found '2'"],
    ['a:\n]', "line 2: expected a value, found ']'"],
    ['a: "open\nb: 1', "line 1: '\"open' is not in the protobuf text format"],
    ['\na: @', "line 2: '@' is not in the protobuf text format"],
    ['"a": 1', "line 1: expected the name of a field, found 'a'"],
    [String.raw`a: "\q"`, String.raw`line 1: the escape '\q' is not supported`],
    ['a {'.repeat(100), 'line 1: messages are nested deeper than 32'],
  ])('refuses %j', (source, reason) => {
    expect(() => parseTextFormat(source)).toThrow(reason);
  });
});
