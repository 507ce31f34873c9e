import pipeline from '../../../pipelines/fraud/index.ts';

/** The event that the pipeline's schema makes of a value; throws when it refuses it. */
export function parse(value: unknown) {
  const parsed = pipeline.event.safeParse(value);
  if (!parsed.success)
    throw new Error(parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('; '));
  return parsed.data;
}
