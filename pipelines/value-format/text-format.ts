import type { ValueFormat } from './value-format.ts';

type TextFormat = ValueFormat & { isJson?: true };
type Json = Record<string, unknown>;

const onePerRecord = 'write one JSON object per record';

/** What a text is. */
export function textFormat(text: string, isEvent: (parsed: unknown) => boolean): TextFormat {
  const trimmed = text.replace(/^\uFEFF/, '').trim();
  if (trimmed === '') return { looksLike: 'white space', hint: onePerRecord };
  const parsed = parse(trimmed);
  if (parsed) return { ...jsonFormat(parsed.value, isEvent), isJson: true };
  if (trimmed.endsWith('\0'))
    return {
      looksLike: `${textFormat(trimmed.replace(/\0+$/, ''), isEvent).looksLike}, with zero bytes behind it`,
      hint: 'leave out the zero at the end',
    };
  return { looksLike: notJson(trimmed), hint: onePerRecord };
}

function parse(text: string): { value: unknown } | undefined {
  try {
    return { value: JSON.parse(text) };
  } catch {
    return undefined;
  }
}

function notJson(text: string): string {
  if (/^<(\?xml|!DOCTYPE|[A-Za-z_][\w:.-]*[\s/>])/.test(text)) return 'XML';
  const lines = text.split(/\r?\n/).filter((line) => line.trim() !== '');
  if (lines.length > 1 && lines.every((line) => parse(line))) return 'several JSON texts in one value, one a line';
  if (/^[[{]/.test(text)) return brokenJson(text);
  if (/^[A-Za-z0-9+/_-]{16,}={0,2}$/.test(text) && parse(Buffer.from(text, 'base64').toString('utf8')))
    return 'JSON in Base64';
  if (/^---\s|^[A-Za-z_]\w*: \S.*\n[A-Za-z_]\w*: /.test(text)) return 'YAML';
  if (/^[A-Za-z_]\w*=\S*([ &;][A-Za-z_]\w*=\S*)+$/.test(lines[0]!)) return 'a line of names and values (name=value)';
  for (const [separator, name] of [
    ['\t', 'tabs'],
    ['|', '"|"'],
    [';', 'semicolons'],
    [',', 'commas'],
  ] as const) {
    const fields = lines[0]!.split(separator).length;
    // Prose has commas, too, and a space behind each.
    if (fields >= 3 && !(separator === ',' && /, /.test(lines[0]!) && !/,[^ ]/.test(lines[0]!)))
      return `a line of ${fields} fields that are separated by ${name} (CSV)`;
  }
  return 'plain text';
}

function brokenJson(text: string): string {
  if (parse(text.replaceAll(/\b(NaN|-?Infinity)\b/g, '0')))
    return 'JSON with NaN or Infinity, which JSON does not have';
  if (/^\{\s*'/.test(text)) return 'an object in the notation of Python or JavaScript (single quotes), not JSON';
  if (/^\{\s*[A-Za-z_]\w*\s*[:=]/.test(text)) return 'an object without quotes around its names, not JSON';
  if (parse(text.replaceAll(/,\s*([\]}])/g, '$1'))) return 'JSON with a comma too many';
  if (/\}\s{0,9}\{/.test(text) && text.endsWith('}')) return 'several JSON objects in one value';
  return /[\]}]$/.test(text) ? 'JSON with a mistake in it' : 'JSON that was cut off';
}

function jsonFormat(value: unknown, isEvent: (parsed: unknown) => boolean): ValueFormat {
  if (Array.isArray(value))
    return {
      looksLike: `a JSON array${value.length > 0 && isEvent(value[0]) ? ' of events' : ''}`,
      hint: onePerRecord,
    };
  if (typeof value === 'string') {
    const inside = parse(value);
    if (inside && typeof inside.value === 'object')
      return { looksLike: 'JSON inside a JSON string (encoded twice)', hint: 'encode it once' };
    return {
      looksLike: /^[A-Za-z0-9+/_-]{16,}={0,2}$/.test(value) ? 'Base64 in a JSON string' : 'a JSON string',
      hint: onePerRecord,
    };
  }
  if (typeof value !== 'object' || value === null)
    return { looksLike: `a JSON ${value === null ? 'null' : typeof value}`, hint: onePerRecord };
  return (
    envelopeFormat(value as Json) ??
    nestedFormat(value as Json, isEvent) ?? {
      looksLike: 'a JSON object of another shape',
      hint: 'mend the schema, or let the producer write what it asks for',
    }
  );
}

const has = (value: unknown, ...names: string[]): value is Json =>
  typeof value === 'object' && value !== null && names.every((name) => Object.hasOwn(value, name));

/** Envelopes that many systems write, told by the names that they always have. */
function envelopeFormat(value: Json): ValueFormat | undefined {
  const debezium = (inside: unknown) => has(inside, 'op', 'source') && (has(inside, 'before') || has(inside, 'after'));
  if (debezium(value))
    return {
      looksLike: 'a change event of Debezium (an envelope with before, after, op and source)',
      hint: 'let the connector unwrap it (ExtractNewRecordState), or make the schema read after',
    };
  if (has(value, 'schema', 'payload')) {
    const what = debezium(value['payload'])
      ? 'a change event of Debezium with its schema'
      : 'JSON of Kafka Connect with its schema';
    return {
      looksLike: `${what} (an envelope with schema and payload)`,
      hint: "set the converter's schemas.enable to false, or make the schema read payload",
    };
  }
  const known: [looksLike: string, names: string[], event: string][] = [
    ['a CloudEvent in structured mode', ['specversion', 'type', 'source'], 'data'],
    ['a change event of MongoDB', ['operationType', 'ns'], 'fullDocument'],
    ['a change event of Maxwell', ['database', 'table', 'type', 'ts'], 'data'],
    ['a message of AWS SNS', ['Type', 'TopicArn', 'Message'], 'Message'],
    ['an event of AWS EventBridge', ['detail-type', 'detail'], 'detail'],
    ['a message of Google Pub/Sub', ['message', 'subscription'], 'message.data'],
    ['a list of records of AWS', ['Records'], 'Records'],
    ['an export of OpenTelemetry', ['resourceSpans'], 'resourceSpans'],
    ['an export of OpenTelemetry', ['resourceLogs'], 'resourceLogs'],
  ];
  const found = known.find(([, names]) => has(value, ...names));
  return (
    found && {
      looksLike: found[0],
      hint: `the event itself is in ${found[2]}: make the schema read it there, or let the producer write it alone`,
    }
  );
}

/** The usual names of what an event is wrapped in. Only such a name may be told: any other could be personal. */
const wrappers = [
  'data',
  'payload',
  'value',
  'event',
  'message',
  'body',
  'after',
  'record',
  'content',
  'detail',
  'attributes',
];

function nestedFormat(value: Json, isEvent: (parsed: unknown) => boolean): ValueFormat | undefined {
  for (const name of wrappers) {
    if (!Object.hasOwn(value, name)) continue;
    const inside = value[name];
    if (isEvent(inside))
      return { looksLike: `an envelope whose field ${name} is the event`, hint: `make the schema read ${name}` };
    const parsed = typeof inside === 'string' ? parse(inside) : undefined;
    if (parsed && isEvent(parsed.value))
      return {
        looksLike: `an envelope whose field ${name} is the event as a text`,
        hint: `make the schema read ${name}`,
      };
  }
  return undefined;
}
