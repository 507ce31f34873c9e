/** Settings of bridge and worker where Temporal runs on their own machine; see docs/decisions/0038. What the user sets goes before them. */
export const oneMachineEnv = { HEADRACE_PACE: 'cores', HEADRACE_BATCHES_PER_SECOND: '50' } as const;
