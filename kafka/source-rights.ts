import { namingRights } from './rights.ts';
import type { Source } from './source.ts';

/** The source; where it fails because a right is missing, its errors say which. */
export function tellingRights(source: Source, { topic, groupId }: { topic: string; groupId: string }): Source {
  const named = (error: unknown) => namingRights(error, { topic, operation: 'Read', group: groupId }) as Error;
  const telling =
    <A extends unknown[], T>(ask: (...parameters: A) => Promise<T>) =>
    (...parameters: A) =>
      ask(...parameters).catch((error: unknown) => Promise.reject(named(error)));
  return {
    ...source,
    start: telling((handlers) => source.start({ ...handlers, crashed: (error) => handlers.crashed(named(error)) })),
    commit: telling(source.commit),
    commitAll: telling(source.commitAll),
    committed: telling(source.committed),
    bounds: telling(source.bounds),
    offsetAt: telling(source.offsetAt),
  };
}
