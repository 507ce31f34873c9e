/**
 * The supervisor of one machine: starts servers and processes in order, restarts those that die, stops them.
 * The data folder they live in: whose it is, what it is made of, how much it takes.
 * What it writes down there lets the next start and other programs find what runs.
 */
export { emptyDataFolder, openDataFolder } from './data-folder.ts';
export type { DataFolder } from './data-folder.ts';
export { diskUseBytes, largestParts } from './disk-use.ts';
export { roomShare, watchDisk } from './disk-watch.ts';
export type { DiskWatch } from './disk-watch.ts';
export { checkFolder, recordParts } from './folder-parts.ts';
export { removeEndpoints, writeEndpoints } from './endpoints.ts';
export type { Endpoints } from './endpoints.ts';
export { nodeArgs, nodeEnv, startNodeProcess } from './node-process.ts';
export { endLeftovers, RunState } from './run-state.ts';
export type { Running, Service, ServiceEvent, ServiceState } from './service.ts';
export { StoppedError } from './service-runner.ts';
export { Supervisor } from './supervisor.ts';
export type { ServiceStatus, SupervisorOptions } from './supervisor.ts';
