import type { Endpoints } from '../stack/supervisor/endpoints.ts';

/** Numbers of one pipeline; one that is absent is not known now. */
export interface PipelineCounts {
  name: string;
  topic: string;
  decisions?: Record<string, number>;
  openReviews?: number;
  waitingReviews?: number;
  deadLetters?: number;
  lag?: { topic: string; partition: number; records: number }[];
}

/** One server as the gateway sees it. */
export interface ServerCheck {
  name: string;
  ready: boolean;
  latencyMs: number;
  reason?: string;
}

/** What `headrace status --output json` prints: every address and path of the running system, and what the gateway counts. */
export interface StatusReport extends Endpoints {
  counts: PipelineCounts[];
  checks: ServerCheck[];
  /** Why something is missing above, by its name. */
  unknown: Record<string, string>;
}

const requestTimeoutMs = 5_000;

/** Asks the gateway of the system. What it does not answer is left out and explained. */
export async function readStatus(endpoints: Endpoints): Promise<StatusReport> {
  const unknown: Record<string, string> = {};
  const ask = async <T>(name: string, path: string): Promise<T | undefined> => {
    try {
      const response = await fetch(`${endpoints.gateway.url}${path}`, { signal: AbortSignal.timeout(requestTimeoutMs) });
      return (await response.json()) as T;
    } catch (error) {
      const { cause, message } = error as Error;
      unknown[name] = `the gateway does not answer at ${endpoints.gateway.url} (${cause instanceof Error ? cause.message : message})`;
      return undefined;
    }
  };
  const [status, ready] = await Promise.all([
    ask<{ pipelines: PipelineCounts[]; unknown: Record<string, string> }>('counts', '/v1/status'),
    ask<{ checks: ServerCheck[] }>('checks', '/readyz'),
  ]);
  return { ...endpoints, counts: status?.pipelines ?? [], checks: ready?.checks ?? [], unknown: { ...unknown, ...status?.unknown } };
}
