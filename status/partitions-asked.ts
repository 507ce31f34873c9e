import type { PartitionState, PartitionStates } from '../contracts/partition-state.ts';
import { fetchFailure } from '../contracts/failures.ts';
import { asking } from '../contracts/timeouts.ts';

/** One process of ours at its metrics address. */
export interface ProcessState {
  name: string;
  address: string;
  /** Why it does not answer; absent when it does. */
  reason?: string;
}

const answerBytesMax = 8 * 1024 * 1024;
const notFound = 404;

/** Asks each process how its partitions stand, all side by side. One that reads none answers, too. Never rejects. */
export async function askProcesses(
  targets: Readonly<Record<string, string>>,
  deployment: string,
): Promise<{ processes: ProcessState[]; partitions: PartitionState[] }> {
  const answers = await Promise.all(
    Object.entries(targets).map(async ([name, address]) => {
      try {
        return { process: { name, address }, partitions: await ask(address, deployment) };
      } catch (error) {
        return { process: { name, address, reason: fetchFailure(error) }, partitions: [] };
      }
    }),
  );
  return {
    processes: answers.map(({ process }) => process),
    partitions: answers.flatMap(({ partitions }) => partitions),
  };
}

/** @param address `host:port`, or with `http://` before it */
async function ask(address: string, deployment: string): Promise<PartitionState[]> {
  const url = address.includes('://') ? address : `http://${address}`;
  const response = await fetch(`${url}/partitions.json`, { signal: AbortSignal.timeout(asking.processMs) });
  if (response.status === notFound) {
    await response.body?.cancel();
    return [];
  }
  if (!response.ok || Number(response.headers.get('content-length') ?? 0) > answerBytesMax)
    throw new Error(`it answers ${response.status}`);
  const states = (await response.json()) as Partial<PartitionStates>;
  if (!Array.isArray(states.partitions)) throw new Error('it does not answer as a process of ours does');
  // The address may be that of another installation's bridge.
  return states.deployment === deployment ? states.partitions : [];
}
