import { messageOf } from '../../../contracts/failures.ts';
import type { PartitionState } from '../../../contracts/partition-state.ts';
import type { Problem } from '../../../status/problems.ts';
import { sleep } from '../../../lib/sleep.ts';
import { asking } from '../../../contracts/timeouts.ts';

/** How the system stands, as its gateway says. */
export interface Standstills {
  problems: Pick<Problem, 'kind' | 'place' | 'short' | 'text' | 'log'>[];
  /** Why something could not be looked at, by its name. */
  unknown: Record<string, string>;
  /** What the log holds beyond what is done, of all partitions; absent when that of one is not known. */
  lagRecords?: number;
}

interface GatewayStatus {
  problems: Standstills['problems'];
  unknown: Standstills['unknown'];
  pipelines: { partitions: Pick<PartitionState, 'lag'>[] }[];
}

const intervalMs = 5_000;

/** Asks the gateway every few seconds, until stopped. One that does not answer is told of like any other thing that stands. */
export async function watchStandstills({
  gatewayUrl,
  onStandstills,
  signal,
}: {
  gatewayUrl: () => string;
  onStandstills: (standstills: Standstills) => void;
  signal: AbortSignal;
}): Promise<void> {
  while (!signal.aborted) {
    const standstills = await readStandstills(gatewayUrl());
    if (!signal.aborted) onStandstills(standstills);
    await sleep(intervalMs, signal);
  }
}

async function readStandstills(url: string): Promise<Standstills> {
  try {
    const response = await fetch(`${url}/v1/status`, { signal: AbortSignal.timeout(asking.askerMs) });
    if (!response.ok) throw new Error(`it answers ${response.status}`);
    const { problems, unknown, pipelines } = (await response.json()) as GatewayStatus;
    const lags = pipelines.flatMap(({ partitions }) => partitions.map(({ lag }) => lag));
    return {
      problems,
      unknown,
      ...(lags.includes(undefined) ? {} : { lagRecords: lags.reduce<number>((sum, lag) => sum + lag!, 0) }),
    };
  } catch (error) {
    const short = 'the gateway does not answer';
    return {
      problems: [
        {
          kind: 'process',
          place: 'gateway',
          short,
          text: `${short} at ${url}, so it is not known what stands: ${messageOf(error)}`,
          log: 'gateway',
        },
      ],
      unknown: {},
    };
  }
}

/** Lines about what has begun to stand, and what goes on again: each thing once, however often it is looked at. */
export class StandstillTeller {
  #told = new Map<string, string>();

  /** @param logFileOf the log of a process */
  lines({ problems, unknown }: Standstills, logFileOf: (service: string) => string | undefined): string[] {
    const now = new Map(problems.map((problem) => [`${problem.kind} ${problem.place}`, problem]));
    const begun = [...now]
      .filter(([key]) => !this.#told.has(key))
      .flatMap(([, { text, log }]) => {
        const file = log === undefined ? undefined : logFileOf(log);
        return [`standing: ${text}`, ...(file === undefined ? [] : [`  log: ${file}`])];
      });
    // While something is not known, what is missing from the list may stand as before.
    const ended = Object.keys(unknown).length > 0 ? [] : [...this.#told].filter(([key]) => !now.has(key));
    for (const [key] of ended) this.#told.delete(key);
    for (const [key, { short }] of now) this.#told.set(key, short);
    return [...begun, ...ended.map(([, short]) => `no longer standing: ${short}`)];
  }
}
