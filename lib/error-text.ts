/**
 * What may be told of an error. Postgres, parsers, V8 and a pipeline's own code quote values in their messages, and those may be
 * personal: logs, failures, metrics and answers get an error's text only through this file.
 */

/** V8's own classes. Their messages quote whatever the code was given. */
const builtIn = new Set(['EvalError', 'RangeError', 'ReferenceError', 'SyntaxError', 'TypeError', 'URIError']);

/** Messages of theirs that quote nothing, and help. */
const harmless = new Set([
  'Maximum call stack size exceeded',
  'Invalid time value',
  'Invalid string length',
  'Invalid array length',
  'fetch failed',
  'terminated',
]);

/** Classes whose messages list the values or the keys that they refuse. */
const quoting = /^(\$?Zod\w*|ValiError|ArkErrors|AssertionError)$/;

/** How Postgres reports an error. */
export interface PostgresError extends Error {
  /** The SQLSTATE. */
  code: string;
  severity: string;
  /** Names of the schema, which hold nothing of a row. */
  table?: string;
  column?: string;
  constraint?: string;
  /** The function of Postgres that reported it. */
  routine?: string;
}

/** True for an answer of Postgres, whichever copy of pg made it. */
export function isPostgresError(thrown: unknown): thrown is PostgresError {
  if (!(thrown instanceof Error)) return false;
  const { code, severity } = thrown as Partial<PostgresError>;
  return typeof severity === 'string' && typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code);
}

/** True for an error that only a bug throws: nobody's server, setting or network is to blame for it. */
export function isProgrammingError(thrown: unknown): thrown is Error {
  return thrown instanceof Error && builtIn.has(thrown.name) && !harmlessFetch(thrown);
}

/** An error can be anything, such as one whose message is no text, or that throws when it is looked at. */
const unreadable = 'what was thrown cannot be read';

/** The text of anything that was thrown, without a value of an event in it. Never throws. */
export function messageOf(thrown: unknown): string {
  return safely(() => textOf(thrown));
}

/** The text of anything that was thrown, in full: where there is no event yet that it could quote. Never throws. */
export function fullMessageOf(thrown: unknown): string {
  return safely(() => (thrown instanceof Error ? thrown.message : String(thrown)));
}

/** Why `fetch` had no answer, which is in the cause of what it throws. Never throws. */
export function fetchFailure(thrown: unknown): string {
  return safely(() => messageOf(thrown instanceof Error && thrown.cause instanceof Error ? thrown.cause : thrown));
}

function safely(tell: () => unknown): string {
  try {
    const text = tell();
    return typeof text === 'string' ? text : unreadable;
  } catch {
    return unreadable;
  }
}

function textOf(thrown: unknown): string {
  if (!(thrown instanceof Error)) return `what was thrown is no error (${typeof thrown})`;
  if (isPostgresError(thrown)) return postgresText(thrown);
  if (thrown instanceof AggregateError && thrown.message === '') return thrown.errors.map(messageOf).join('; ');
  if (builtIn.has(thrown.name)) return builtInText(thrown);
  if (quoting.test(thrown.name)) return `${thrown.name}${placeOf(thrown)}`;
  return thrown.message;
}

/** The stack of an error without its message. */
export function framesOf({ name, message, stack = '' }: Error): string {
  const head = [`${name}: ${message}`, `Error: ${message}`, message].find(
    (text) => text !== '' && stack.startsWith(text),
  );
  return (head === undefined ? stack : stack.slice(head.length))
    .split('\n')
    .filter((line) => /^\s+at /.test(line))
    .join('\n');
}

/** Of these classes Postgres names connections, rights and tables: 08, 25, 28, 3D, 3F, 42, 53, 55, 57, 58. Of the others it may quote a row. */
const namesOnly = /^(08|25|28|3D|3F|42|53|55|57|58)/;
/** Where a trigger raises an error of its own, with whatever code and text. */
const raised = 'exec_stmt_raise';

function postgresText({ code, message, routine, table, column, constraint }: PostgresError): string {
  if (namesOnly.test(code) && routine !== raised) return `${message} (SQLSTATE ${code})`;
  const names = Object.entries({ table, column, constraint }).flatMap(([what, name]) =>
    typeof name === 'string' ? [`, ${what} ${name}`] : [],
  );
  return `Postgres answers SQLSTATE ${code}${names.join('')}`;
}

/** The class, where in the code, and what lies behind it. */
function builtInText(error: Error): string {
  const { name, message, cause } = error;
  const { code } = error as { code?: unknown };
  const what = harmless.has(message) ? `${name}: ${message}` : name;
  return `${what}${typeof code === 'string' ? ` ${code}` : ''}${placeOf(error)}${cause instanceof Error ? `; ${messageOf(cause)}` : ''}`;
}

/** The first place in code of ours, or of the pipeline. */
function placeOf(error: Error): string {
  for (const line of framesOf(error).split('\n')) {
    const found = /([\w@.-]+\/[\w.-]+\.[cm]?[jt]s):(\d+)/.exec(line);
    if (found && !/node:|node_modules/.test(line)) return ` at ${found[1]}:${found[2]}`;
  }
  return '';
}

/** `fetch` throws a TypeError when it does not reach its server. */
function harmlessFetch({ message }: Error): boolean {
  return message === 'fetch failed' || message === 'terminated';
}
