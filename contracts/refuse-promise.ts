import { HeadraceError } from './failures.ts';

/**
 * Throws when a function of the pipeline gave a promise: an event is decoded, and decided, again from its record, and must come out the
 * same each time, so nothing that takes time may be part of it.
 */
export function refusePromise(pipeline: string, what: string, answer: unknown): void {
  if (!isPromise(answer)) return;
  // Whatever becomes of it, nobody waits for it: a rejection must not end the process.
  answer.then(undefined, () => undefined);
  throw new HeadraceError(
    'PIPELINE_WRONG',
    `${what} of pipeline "${pipeline}" is asynchronous (it returns a promise); it must return its value`,
  );
}

function isPromise(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function';
}
