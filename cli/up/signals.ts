/** A second request this soon after the first is the same one: npm and the terminal both pass a Ctrl+C on. */
const sameRequestMs = 1_000;

/** Requests to stop, from the terminal or whoever runs us. */
export interface StopRequests {
  /** Resolves at the first one. */
  requested: Promise<void>;
  signal: AbortSignal;
  /** Stops listening. */
  dispose: () => void;
}

/** Listens for SIGINT, SIGTERM and SIGHUP. `onImpatient` is told of a request that comes again, later than a moment. */
export function listenForStop(onImpatient: () => void): StopRequests {
  const abort = new AbortController();
  let firstAt: number | undefined;
  const onSignal = (): void => {
    firstAt ??= Date.now();
    if (!abort.signal.aborted) abort.abort();
    else if (Date.now() - firstAt > sameRequestMs) onImpatient();
  };
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  for (const signal of signals) process.on(signal, onSignal);
  return {
    requested: new Promise((resolve) => abort.signal.addEventListener('abort', () => resolve(), { once: true })),
    signal: abort.signal,
    dispose: () => {
      for (const signal of signals) process.off(signal, onSignal);
    },
  };
}
