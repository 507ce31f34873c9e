/** A record that can never become an event (or an event that can never be decided), and why. Goes to the dead-letter topic. */
export interface Rejection {
  /** Index of the record in its batch. */
  index: number;
  /** The step that refused it. */
  step: 'decode' | 'infer' | 'deliver';
  /** A code of `contracts/failures.ts`. */
  code: string;
  /** One sentence for people; names the field, never its value. */
  reason: string;
}

/** What may be said of an error that a pipeline's own code threw: its class. Its message could quote the event. */
export function nameOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.name : typeof thrown;
}
