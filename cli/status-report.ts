import { fetchFailure } from '../contracts/failures.ts';
import type { PartitionState } from '../contracts/partition-state.ts';
import type { Problem } from '../status/problems.ts';
import type { ScheduleState } from '../temporal/schedules.ts';
import type { SystemStanding } from '../status/standing.ts';
import type { Endpoints } from '@headrace/stack/supervisor';
import { asking } from '../contracts/timeouts.ts';

/** Numbers of one pipeline; one that is absent is not known now. */
export interface PipelineCounts {
  name: string;
  topic: string;
  decisions?: Record<string, number>;
  openReviews?: number;
  waitingReviews?: number;
  deadLetters?: number;
  partitions: Omit<PartitionState, 'pipeline'>[];
}

/** One server as the gateway sees it. */
interface ServerCheck {
  name: string;
  /** Events are not taken without it. */
  needed: boolean;
  ready: boolean;
  latencyMs: number;
  reason?: string;
}

/** What stands; `log` is the file to look into. */
type Standstill = Omit<Problem, 'kind'> & { kind: Problem['kind'] | 'server' };

/** What `headrace status --output json` prints: every address and path of the running system, what the gateway counts, and what stands. */
export interface StatusReport extends Endpoints {
  counts: PipelineCounts[];
  checks: ServerCheck[];
  schedules?: ScheduleState[];
  /** With an empty `unknown`, an empty list means that nothing stands. */
  problems: Standstill[];
  /** Why something is missing above, by its name. */
  unknown: Record<string, string>;
}

type GatewayStatus = Pick<StatusReport, 'schedules' | 'unknown'> & { pipelines: PipelineCounts[]; problems: Problem[] };

const downStates = new Set(['starting', 'restarting', 'failed', 'waiting']);

/**
 * Asks the gateway of the system, and where that does not answer its servers.
 * @param lookItself how the system stands, without the gateway
 */
export async function readStatus(
  endpoints: Endpoints,
  lookItself: () => Promise<SystemStanding>,
): Promise<StatusReport> {
  const problems: Standstill[] = endpoints.services
    .filter(({ state }) => downStates.has(state))
    .map(({ name, state }) => ({
      kind: 'process',
      place: name,
      short: `${name} is ${state}`,
      text: `${name} is ${state}`,
      log: name,
    }));
  const ask = async <T>(path: string): Promise<T | string> => {
    try {
      const response = await fetch(`${endpoints.gateway.url}${path}`, {
        signal: AbortSignal.timeout(asking.askerMs),
      });
      return (await response.json()) as T;
    } catch (error) {
      return `the gateway does not answer at ${endpoints.gateway.url} (${fetchFailure(error)})`;
    }
  };
  const [status, ready] = await Promise.all([
    ask<GatewayStatus>('/v1/status'),
    ask<{ checks: ServerCheck[] }>('/readyz'),
  ]);
  const checks = typeof ready === 'string' ? [] : ready.checks;
  for (const { name, ready: isReady, reason } of checks)
    if (!isReady)
      problems.push({
        kind: 'server',
        place: name,
        short: `${name} does not answer`,
        text: `${name} does not answer: ${reason ?? 'no reason'}`,
        log: name === 'triton' ? 'model-server' : name,
      });
  const {
    pipelines,
    schedules,
    unknown,
    problems: found,
  } = typeof status === 'string' ? await withoutGateway(endpoints, status, lookItself) : status;
  return {
    ...endpoints,
    counts: pipelines,
    checks,
    schedules,
    unknown: typeof ready === 'string' ? { ...unknown, checks: ready } : unknown,
    problems: [...problems, ...found]
      .filter((problem) => !isOfEnded(endpoints, problem))
      .map(({ log, ...problem }) => ({
        ...problem,
        ...(log === undefined ? {} : { log: logFileOf(endpoints, log) ?? `${log}'s log` }),
      })),
  };
}

type Processes = Pick<Endpoints, 'services' | 'metrics'>;

/** The gateway knows processes by their metrics addresses, and the supervisor by their names. */
function serviceOf(
  { services, metrics }: Processes,
  processOrAddress: string,
): Endpoints['services'][number] | undefined {
  const [byAddress] = Object.entries(metrics).find(([, url]) => url.endsWith(`//${processOrAddress}`)) ?? [];
  return services.find(({ name }) => name === (byAddress ?? processOrAddress));
}

/** The log file of a process. */
export function logFileOf(processes: Processes, process: string): string | undefined {
  return serviceOf(processes, process)?.logFile;
}

/** A generator that is done, or that the limit of the disk has stopped, need not answer. */
export function hasEnded(processes: Processes, process: string): boolean {
  const state = serviceOf(processes, process)?.state;
  return state === 'finished' || state === 'stopped';
}

/** Whether a problem is only that a process does not answer which has ended. */
export function isOfEnded(processes: Processes, { kind, place }: Pick<Problem, 'place'> & { kind: string }): boolean {
  return kind === 'process' && hasEnded(processes, place);
}

async function withoutGateway(
  { pipelines }: Endpoints,
  why: string,
  lookItself: () => Promise<SystemStanding>,
): Promise<GatewayStatus> {
  const { partitions, problems, schedules, unknown } = await lookItself();
  return {
    pipelines: pipelines.map(({ name, topic }) => ({
      name,
      topic,
      partitions: partitions.filter(({ pipeline }) => pipeline === name),
    })),
    problems: [
      { kind: 'process', place: 'gateway', short: 'the gateway does not answer', text: why, log: 'gateway' },
      ...problems,
    ],
    schedules,
    unknown: { ...unknown, counts: why },
  };
}
