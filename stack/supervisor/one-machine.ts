/** Settings of a bridge where Temporal runs on the same machine; see docs/decisions/0038. What the user sets goes before them. */
export const oneMachineEnv = { HEADRACE_PACE: 'cores', HEADRACE_BATCHES_PER_SECOND: '50' } as const;
