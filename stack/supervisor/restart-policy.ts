/** How often and how fast a service that dies is started again. */
export interface RestartPolicy {
  delayMsMin: number;
  delayMsMax: number;
  /** More deaths than this inside the window and it is given up. */
  deathsMax: number;
  windowMs: number;
}

export const defaultRestartPolicy: RestartPolicy = {
  delayMsMin: 500,
  delayMsMax: 10_000,
  deathsMax: 5,
  windowMs: 5 * 60_000,
};

/**
 * How long to wait before the next start; undefined means give up.
 * @param deathsMs times of all deaths so far, the latest one last.
 */
export function restartDelayMs(deathsMs: readonly number[], policy: RestartPolicy): number | undefined {
  const latest = deathsMs.at(-1);
  if (latest === undefined) return 0;
  const recent = deathsMs.filter((time) => latest - time < policy.windowMs).length;
  if (recent > policy.deathsMax) return undefined;
  return Math.min(policy.delayMsMax, policy.delayMsMin * 2 ** (recent - 1));
}
