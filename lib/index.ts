/**
 * Small helpers that know nothing of Headrace: a semaphore, time-outs, linked signals, texts of errors, addresses, proxies, files.
 * Anything here could stand in another project as it is.
 * It imports no other room.
 */
export {
  type PostgresError,
  fetchFailure,
  framesOf,
  fullMessageOf,
  isPostgresError,
  isProgrammingError,
  messageOf,
} from './error-text.ts';
export { hostPort, isLoopback, reachableHost, readHostPort } from './host-port.ts';
export { type Logger, createLogger } from './log.ts';
export { Problem, type ProblemEntry } from './problem.ts';
export { sleep } from './sleep.ts';
export { withTimeout } from './with-timeout.ts';
