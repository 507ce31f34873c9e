/**
 * A reader of the protobuf text format, as far as config.pbtxt needs it: fields, nested messages in {} or <>, lists, strings with escapes,
 * numbers, words and # comments. What the fields mean is not its business (see model-config.ts).
 */

/** A value as written: text from quotes, or a bare word such as `TYPE_FP32`, `true` or `-1`. */
export type Value = { readonly kind: 'text' | 'word'; readonly value: string; readonly line: number } | Message;

/** A message: its fields in order of first appearance, each with all its values. */
export interface Message {
  readonly kind: 'message';
  readonly fields: ReadonlyMap<string, readonly Value[]>;
  readonly line: number;
}

/** The text is not in the format; the message says where. */
export class TextFormatError extends Error {
  override readonly name = 'TextFormatError';
}

interface Token {
  readonly kind: 'text' | 'word' | 'sign' | 'end';
  readonly value: string;
  readonly line: number;
}

// Configuration written by people nests three or four deep; a bound keeps a hostile file from exhausting the stack.
const depthMax = 32;

const tokenPattern =
  /[ \t\r\n]+|#[^\n]*|(?<text>"(?:[^"\\\n]|\\[^\n])*"|'(?:[^'\\\n]|\\[^\n])*')|(?<word>-?[A-Za-z0-9_.+-]+)|(?<sign>[:{}<>[\],;])/y;

/** Reads a whole file. @throws TextFormatError */
export function parseTextFormat(source: string): Message {
  const tokens = tokenize(source);
  let at = 0;
  const peek = (): Token => tokens[at] as Token;
  const isSign = (...signs: string[]) => peek().kind === 'sign' && signs.includes(peek().value);
  const skip = (...signs: string[]) => {
    if (!isSign(...signs)) return false;
    at++;
    return true;
  };

  function parseMessage(end: string | undefined, line: number, depth: number): Message {
    if (depth > depthMax) throw new TextFormatError(`line ${line}: messages are nested deeper than ${depthMax}`);
    const fields = new Map<string, Value[]>();
    while (end === undefined ? peek().kind !== 'end' : !isSign(end)) {
      const name = peek();
      if (name.kind !== 'word' || !/^[A-Za-z_]\w*$/.test(name.value))
        throw unexpected(name, end === undefined ? 'the name of a field' : `the name of a field or '${end}'`);
      at++;
      const values = fields.get(name.value) ?? [];
      fields.set(name.value, values);
      values.push(...parseField(depth));
      skip(',', ';');
    }
    if (end !== undefined) at++;
    return { kind: 'message', fields, line };
  }

  function parseField(depth: number): Value[] {
    const hasColon = skip(':');
    if (!skip('[')) {
      if (!hasColon && !isSign('{', '<')) throw unexpected(peek(), "':' or '{'");
      return [parseValue(depth)];
    }
    const values: Value[] = [];
    while (!skip(']')) {
      values.push(parseValue(depth));
      if (!skip(',') && !isSign(']')) throw unexpected(peek(), "',' or ']'");
    }
    return values;
  }

  function parseValue(depth: number): Value {
    const token = peek();
    at++;
    if (token.kind === 'sign' && token.value === '{') return parseMessage('}', token.line, depth + 1);
    if (token.kind === 'sign' && token.value === '<') return parseMessage('>', token.line, depth + 1);
    if (token.kind === 'word') return { kind: 'word', value: token.value, line: token.line };
    if (token.kind !== 'text') throw unexpected(token, 'a value');
    // Strings beside each other are one, as in C.
    let { value } = token;
    for (; peek().kind === 'text'; at++) value += peek().value;
    return { kind: 'text', value, line: token.line };
  }

  return parseMessage(undefined, 1, 0);
}

function unexpected(token: Token, expected: string): TextFormatError {
  return new TextFormatError(
    `line ${token.line}: expected ${expected}, found ${token.kind === 'end' ? 'the end of the file' : `'${token.value}'`}`,
  );
}

function tokenize(source: string): Token[] {
  const tokens: Token[] = [];
  let line = 1;
  tokenPattern.lastIndex = 0;
  while (tokenPattern.lastIndex < source.length) {
    const at = tokenPattern.lastIndex;
    const match = tokenPattern.exec(source);
    if (match === null)
      throw new TextFormatError(
        `line ${line}: '${source.slice(at, at + 20).split('\n')[0]}' is not in the protobuf text format`,
      );
    const { text, word, sign } = match.groups as { text?: string; word?: string; sign?: string };
    if (text !== undefined) tokens.push({ kind: 'text', value: unescape(text.slice(1, -1), line), line });
    else if (word !== undefined) tokens.push({ kind: 'word', value: word, line });
    else if (sign !== undefined) tokens.push({ kind: 'sign', value: sign, line });
    line += match[0].split('\n').length - 1;
  }
  tokens.push({ kind: 'end', value: '', line });
  return tokens;
}

const simpleEscapes: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t', '"': '"', "'": "'", '\\': '\\' };

function unescape(quoted: string, line: number): string {
  return quoted.replace(/\\(.)/g, (_, character: string) => {
    const plain = simpleEscapes[character];
    if (plain === undefined) throw new TextFormatError(`line ${line}: the escape '\\${character}' is not supported`);
    return plain;
  });
}
