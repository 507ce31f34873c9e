/**
 * What every process has: settings from the environment, signals, a metrics server, latency histograms.
 * `runMain` is the first line of each `main.ts` and the only place that ends a process.
 * It knows no server by name.
 */
export { startMetricsServer } from './metrics-server.ts';
export { RecordLatency } from './record-latency.ts';
export { runMain } from './run-main.ts';
