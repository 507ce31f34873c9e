import { renameSync, rmSync, writeFileSync } from 'node:fs';
import type { ServiceStatus } from './supervisor.ts';

/**
 * Every address, path and pid of a running system, for `headrace status` and outside tools. The file holds the
 * database's password and is readable by its owner only.
 */
export interface Endpoints {
  version: 1;
  startedAt: string;
  dataDir: string;
  deployment: string;
  supervisorPid: number;
  temporal: { address: string; namespace: string; uiUrl: string; embedded: boolean };
  kafka: { brokers: string[]; embedded: boolean };
  database: { url: string; embedded: boolean };
  triton: { url: string; embedded: boolean };
  gateway: { url: string; docsUrl: string };
  lake: { dir: string };
  features: { dir: string };
  pipelines: { name: string; topic: string }[];
  /** Metrics of our own processes: base addresses, with `/metrics` and `/metrics.json` below. */
  metrics: Record<string, string>;
  services: ServiceStatus[];
}

/** Replaces the file in one step. */
export function writeEndpoints(file: string, endpoints: Endpoints): void {
  const draft = `${file}.draft`;
  writeFileSync(draft, `${JSON.stringify(endpoints, undefined, 2)}\n`, { mode: 0o600 });
  renameSync(draft, file);
}

/** A system that has stopped has no endpoints. */
export function removeEndpoints(file: string): void {
  rmSync(file, { force: true });
}
