import type { FailureCode } from '../../contracts/failures.ts';

/** A record that can never become a payment, and the code that its dead letter must carry. */
export interface Poison {
  name: string;
  value: Buffer | null;
  code: FailureCode;
}

const payment = { id: 'poison', account: 'poisoned', amount: 1, at: Date.UTC(2026, 0, 1) };
const fields = ['id', 'account', 'amount', 'at'] as const;
const text = JSON.stringify(payment);
/** The payment's fields without the opening brace, to be put behind others. */
const rest = text.slice(1);

/** What is of the wrong type in each field, as JSON texts. */
const ofOtherTypes: Record<(typeof fields)[number], string[]> = {
  id: ['null', '7', '-1.5', 'true', 'false', '[]', '["x"]', '{}', '{"id":"x"}', '1e3'],
  account: ['null', '0', '3.25', 'true', 'false', '[]', '[["a"]]', '{}', '{"a":1}', '-0'],
  amount: ['null', '"1"', '""', '"NaN"', 'true', 'false', '[]', '[1]', '{}', '{"value":1}', '1e999', '-1e999'],
  at: [
    'null',
    '"2026-01-01"',
    '"1767225600000"',
    '""',
    'true',
    'false',
    '[]',
    '[0]',
    '{}',
    '{"ms":0}',
    '1e999',
    '-1e999',
  ],
};

/** The texts of whole values that are JSON and no payment. */
const otherValues = [
  'null',
  'true',
  'false',
  '0',
  '-1',
  '1e10',
  '""',
  '"text"',
  '[]',
  '[1,2,3]',
  '[[]]',
  '{}',
  '[{}]',
  '" "',
  `[${text}]`,
  JSON.stringify(text),
  '{"payment":{}}',
  '{"":""}',
];

const noJson = [
  ' ',
  '\n',
  '\t',
  'hello',
  'undefined',
  'NaN',
  'Infinity',
  '-',
  '+1',
  '01',
  '.5',
  '1.',
  '0x10',
  "'text'",
  '`',
  '{',
  '}',
  '[',
  ']',
  ',',
  ':',
  '"',
  '"\\"',
  '"\\x"',
  '"\\u12"',
  '"a\nb"',
  '"a\tb"',
  '{"id"',
  '{"id":',
  '{"id":1,}',
  '[1,]',
  '[,1]',
  '{,}',
  '{id:1}',
  "{'id':1}",
  '{"id" 1}',
  '{"id":1 "at":2}',
  '{"id":1}}',
  '[1]]',
  '[1}',
  '{"a":1]',
  'nul',
  'tru',
  'TRUE',
  'None',
  '{"a":undefined}',
  '{"a":NaN}',
  '/* c */ {}',
  '{} // c',
  '<payment/>',
  '---\nid: 1',
  'id=1&at=2',
  `${text}${text}`,
  `${text},`,
  text.slice(0, 20),
  text.slice(0, -1),
  text.slice(1),
  `\u0000${text}`,
  `${text}\u0000`,
  `\u00a0${text}`,
  `\ufeff\ufeff${text}`,
  '\u2028',
  '{"a":1,,"b":2}',
  '"\\ud8',
  '[1 2]',
  '{"a"::1}',
  '1 2',
  '--1',
  '1e',
  '1e+',
  '0b1',
];

const noUtf8 = [
  [0xff],
  [0xfe, 0xff],
  [0xc0, 0x80],
  [0xc3],
  [0xc3, 0x28],
  [0xe2, 0x82],
  [0xed, 0xa0, 0x80],
  [0xf0, 0x9f, 0x98],
  [0xf8, 0x88, 0x80, 0x80, 0x80],
  [0x80],
  [0xbf, 0xbf],
  [0xf4, 0x90, 0x80, 0x80],
];

function nested(open: string, close: string, depth: number): string {
  return `{"deep":${open.repeat(depth)}0${close.repeat(depth)},${rest}`;
}

const forbidden = ['__proto__', 'constructor', 'prototype'].flatMap((key) => [
  `{"${key}":{"admin":true},${rest}`,
  `{"${key}":null,${rest}`,
  `{"extra":{"${key}":1},${rest}`,
  `{"extra":[[{"${key}":[]}]],${rest}`,
  `{"extra":{"a":{"b":{"c":{"${key}":0}}}},${rest}`,
  `{"${key
    .split('')
    .map((letter) => `\\u${letter.charCodeAt(0).toString(16).padStart(4, '0')}`)
    .join('')}":{},${rest}`,
  `${text.slice(0, -1)},"${key}":"late"}`,
]);

function all(kind: string, code: FailureCode, values: readonly (string | Buffer)[]): Poison[] {
  return values.map((value, i) => ({ name: `${kind} ${i + 1}`, value: Buffer.from(value), code }));
}

const withField = (field: string, json: string) =>
  `{${fields.map((name) => `"${name}":${name === field ? json : JSON.stringify(payment[name])}`).join(',')}}`;

/** Hand-made poison of every kind: each is refused, and for its own reason. */
export const poisonCorpus: readonly Poison[] = [
  { name: 'tombstone', value: null, code: 'EMPTY_VALUE' },
  { name: 'empty', value: Buffer.alloc(0), code: 'EMPTY_VALUE' },
  ...all('no JSON', 'NOT_JSON', noJson),
  ...all(
    'no UTF-8',
    'NOT_JSON',
    noUtf8.map((bytes) => Buffer.concat([Buffer.from(`{"note":"`), Buffer.from(bytes), Buffer.from(`",${rest}`)])),
  ),
  ...all('another value', 'SCHEMA_MISMATCH', otherValues),
  ...fields.flatMap((field) =>
    all(
      `${field} of another type`,
      'SCHEMA_MISMATCH',
      ofOtherTypes[field].map((json) => withField(field, json)),
    ),
  ),
  ...fields.map(
    (field): Poison => ({
      name: `no ${field}`,
      value: Buffer.from(JSON.stringify({ ...payment, [field]: undefined })),
      code: 'SCHEMA_MISMATCH',
    }),
  ),
  ...all('forbidden key', 'FORBIDDEN_KEY', forbidden),
  ...all('too deep', 'TOO_DEEP', [
    nested('[', ']', 32),
    nested('[', ']', 33),
    nested('[', ']', 1_000),
    nested('[', ']', 5_000),
    nested('{"a":', '}', 32),
    nested('{"a":', '}', 100),
    nested('{"a":', '}', 2_000),
    nested('[{"a":', '}]', 17),
    nested('[{"a":', '}]', 500),
  ]),
  ...all(
    'id out of bounds',
    'BAD_EVENT',
    ['', 'x'.repeat(257), 'é'.repeat(300), 'x'.repeat(100_000)].map((id) => withField('id', JSON.stringify(id))),
  ),
  ...all(
    'account out of bounds',
    'BAD_EVENT',
    ['', 'x'.repeat(257), '☃'.repeat(257), 'x'.repeat(100_000)].map((account) =>
      withField('account', JSON.stringify(account)),
    ),
  ),
  ...all(
    'time out of bounds',
    'BAD_EVENT',
    ['-1', '-1e300', '-0.001', '1e17', '1e300', String(Date.UTC(12_000, 0, 1))].map((at) => withField('at', at)),
  ),
  ...all(
    'far ahead of the clock',
    'EVENT_TOO_FAR_AHEAD',
    [String(Date.UTC(9_000, 0, 1))].map((at) => withField('at', at)),
  ),
  ...all(
    'amount beyond float32',
    'BAD_EVENT',
    ['1e39', '-1e39', '3.5e38', '1.7976931348623157e308'].map((amount) => withField('amount', amount)),
  ),
];
