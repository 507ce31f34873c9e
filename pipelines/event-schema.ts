import type { EventSchema, SchemaIssue } from '../contracts/pipeline.ts';

/** The part of Standard Schema (https://standardschema.dev) that is asked for: zod 3 and 4, Valibot, ArkType and others have it. */
export interface StandardSchema<E> {
  readonly '~standard': {
    readonly vendor: string;
    validate(value: unknown): StandardResult<E> | Promise<StandardResult<E>>;
    readonly types?: { readonly input: unknown; readonly output: E } | undefined;
  };
}

type StandardResult<E> =
  | { readonly value: E; readonly issues?: undefined }
  | { readonly issues: readonly StandardIssue[] };

interface StandardIssue {
  readonly message: string;
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
  /** Valibot and ArkType say what the schema wants; their messages quote what they got. */
  readonly expected?: unknown;
}

/** A schema of any library as Headrace asks it; what has no schema's form is given back for the checks to refuse. */
export function eventSchemaOf<E>(schema: EventSchema<E> | StandardSchema<E>): EventSchema<E> {
  if (typeof (schema as Partial<EventSchema<E>> | undefined)?.safeParse === 'function') return schema as EventSchema<E>;
  const standard = (schema as Partial<StandardSchema<E>> | undefined)?.['~standard'];
  if (typeof standard?.validate !== 'function') return schema as EventSchema<E>;
  return {
    safeParse(value) {
      const result = standard.validate(value);
      if (result instanceof Promise) {
        // Nobody waits for it: its rejection must not end the process.
        result.catch(() => undefined);
        throw new AsynchronousSchemaError();
      }
      return result.issues
        ? { success: false, error: { issues: result.issues.map(issueOf) } }
        : { success: true, data: result.value };
    },
  };
}

function issueOf({ path = [], expected }: StandardIssue): SchemaIssue {
  const keys = path.map((part) => (typeof part === 'object' ? part.key : part));
  return {
    path: keys,
    message: typeof expected === 'string' ? `expected ${expected.slice(0, 60)}` : 'not accepted',
    code: 'foreign',
  };
}

/** A schema that wants to be waited for. */
class AsynchronousSchemaError extends Error {
  override readonly name = 'AsynchronousSchemaError';
}

/** True for what a schema throws that has an asynchronous part, in the words of zod 3 and 4. */
export function saysAsynchronous(thrown: unknown): boolean {
  return (
    thrown instanceof AsynchronousSchemaError ||
    (thrown instanceof Error && /during synchronous parse/.test(thrown.message))
  );
}
