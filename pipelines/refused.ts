import type { FailureCode } from '../contracts/failures.ts';

const reasonCharsMax = 300;

/** What makes a record no event: a failure code, and a reason that never quotes the value. */
export class Refused extends Error {
  constructor(
    readonly code: FailureCode,
    reason: string,
  ) {
    super(reason);
  }
}

/** In place of messages that quote what came: zod 3 does so with values, and every zod with keys. */
const quoting: Partial<Record<string, string>> = {
  unrecognized_keys: 'unrecognized keys',
  invalid_enum_value: 'none of the values that are allowed',
};

/** Field and fault of the first issues. A path through a map of the event's own keys is cut, and unknown keys are not named. */
export function describeIssues(issues: readonly { path: PropertyKey[]; message: string; code: string }[]): string {
  const texts = issues
    .slice(0, 5)
    .map(
      ({ path, message, code }) =>
        `${path.slice(0, 4).join('.').slice(0, 100) || 'value'}: ${quoting[code] ?? message}`,
    );
  return texts.join('; ').slice(0, reasonCharsMax);
}
