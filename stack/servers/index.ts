/**
 * The embedded servers of `npm start` and the tests: Temporal, Kafka, Postgres, the model server.
 * One file says how each is found, another how it is started; what all share (ports, logs, guards, locks) has files of its own.
 * Knows nothing of Headrace, and production does not install it.
 */
export { prepareTemporal } from './temporal-binary.ts';
export type { PrepareTemporalOptions } from './temporal-binary.ts';
export { startTemporal } from './temporal.ts';
export type { StartTemporalOptions, TemporalServer } from './temporal.ts';
export { prepareKafka } from './kafka-jars.ts';
export { newClusterId, startKafka } from './kafka.ts';
export type { KafkaServer, StartKafkaOptions } from './kafka.ts';
export type { ClusterPlace } from './kafka-settings.ts';
export { preparePostgres } from './postgres-binaries.ts';
export type { PostgresBinaries } from './postgres-binaries.ts';
export { startPostgres } from './postgres.ts';
export { removePostgresElsewhere } from './postgres-home.ts';
export type { PostgresServer, StartPostgresOptions } from './postgres.ts';
export { startModelServer } from './model-server.ts';
export type { ModelServer, StartModelServerOptions } from './model-server.ts';
export { defaultCacheDir } from './cache-dir.ts';
export { choosePort, freePort, isPortTaken } from './ports.ts';
export type { EmbeddedServer, OnProgress, PrepareOptions, Progress, ServerName, StartOptions } from './types.ts';
