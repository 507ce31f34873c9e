/** The signals under way, by the one that they follow. */
const followers = new WeakMap<AbortSignal, Set<AbortController>>();

/**
 * Runs work with a signal of its own, which is aborted with `parent`, with its reason, or after a time. What the work hangs on that
 * signal goes with it. A parent that lasts as long as the process must not be handed to the work itself: Temporal's client never
 * takes its listeners off again, and of what `AbortSignal.any` makes of it the parent keeps a trace for good.
 */
export async function withLinkedSignal<T>(
  parent: AbortSignal,
  work: (signal: AbortSignal) => Promise<T>,
  { timeoutMs }: { timeoutMs?: number } = {},
): Promise<T> {
  const own = new AbortController();
  const others = followersOf(parent);
  others.add(own);
  if (parent.aborted) own.abort(parent.reason);
  const timer =
    timeoutMs === undefined
      ? undefined
      : setTimeout(() => own.abort(new Error(`not done within ${timeoutMs / 1_000} s`)), timeoutMs);
  try {
    return await work(own.signal);
  } finally {
    clearTimeout(timer);
    others.delete(own);
  }
}

/** One listener for all of them: Node warns of a leak where a signal has more than ten. */
function followersOf(parent: AbortSignal): Set<AbortController> {
  const known = followers.get(parent);
  if (known) return known;
  const made = new Set<AbortController>();
  followers.set(parent, made);
  parent.addEventListener(
    'abort',
    () => {
      for (const own of made) own.abort(parent.reason);
    },
    { once: true },
  );
  return made;
}
