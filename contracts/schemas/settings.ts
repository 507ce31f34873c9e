import { z } from 'zod';
import {
  text,
  port,
  list,
  flag,
  address,
  host,
  webUrl,
  tritonUrl,
  fileUrl,
  isTime,
  saslMechanism,
  lingerMs,
  whole,
  mib,
} from './setting-values.ts';

/** One setting: its environment variable, what it may be, and a sentence for the configuration table. */
export interface Setting<T extends z.ZodType> {
  env: string;
  schema: T;
  help: string;
  /** Never printed. */
  secret?: true;
}

function setting<T extends z.ZodType>(env: string, schema: T, help: string): Setting<T> {
  return { env, schema, help };
}

function secret<T extends z.ZodType>(env: string, schema: T, help: string): Setting<T> {
  return { env, schema, help, secret: true };
}

/** Every setting of every process. docs/configuration.md and .env.example are made from this. */
export const settings = {
  deployment: setting(
    'HEADRACE_DEPLOYMENT',
    text.regex(/^[A-Za-z0-9._-]{1,50}$/).default('local'),
    'Name of this installation; part of every event key, so never change it.',
  ),
  dataDir: setting(
    'HEADRACE_DATA_DIR',
    text.default('.headrace/data'),
    'Folder of the embedded feature store, lake and servers.',
  ),
  pipelinesDir: setting(
    'HEADRACE_PIPELINES_DIR',
    text.optional(),
    'Folder of your own pipelines, one subfolder with an index.ts each; absent = the shipped examples.',
  ),
  pipelines: setting(
    'HEADRACE_PIPELINES',
    list.optional(),
    'Comma-separated names of the pipelines to run; absent = all that are found.',
  ),
  epoch: setting(
    'HEADRACE_EPOCH',
    whole(0, 1_000_000).default(0),
    'Epoch of a topic that nobody has begun. `headrace epoch bump` begins the next one of a topic.',
  ),
  logLevel: setting(
    'HEADRACE_LOG_LEVEL',
    z.enum(['trace', 'debug', 'info', 'warn', 'error']).default('info'),
    'Least severe level that is logged.',
  ),
  temporal: {
    address: setting('TEMPORAL_ADDRESS', address.default('127.0.0.1:7233'), 'Temporal frontend, host:port.'),
    namespace: setting(
      'TEMPORAL_NAMESPACE',
      text.default('headrace'),
      "Temporal namespace; its retention must not be below the topic's.",
    ),
    apiKey: secret('TEMPORAL_API_KEY', text.optional(), 'API key for Temporal Cloud.'),
    tls: setting('TEMPORAL_TLS', flag.default(false), 'Use TLS to Temporal; implied by an API key or a certificate.'),
    tlsCaFile: setting(
      'TEMPORAL_TLS_SERVER_CA_CERT_PATH',
      text.optional(),
      "PEM file of the authority that signed the frontend's certificate.",
    ),
    tlsCertFile: setting(
      'TEMPORAL_TLS_CLIENT_CERT_PATH',
      text.optional(),
      'PEM file of the client certificate (mTLS).',
    ),
    tlsKeyFile: setting('TEMPORAL_TLS_CLIENT_KEY_PATH', text.optional(), 'PEM file of the client key (mTLS).'),
    proxy: secret(
      'TEMPORAL_PROXY',
      text
        .regex(
          /^http:\/\/([^\s:@/]+:[^\s@/]*@)?([^\s:@/[\]]+|\[[0-9a-fA-F:.]+\]):\d{1,5}\/?$/,
          'must look like http://host:port or http://user:password@host:port',
        )
        .optional(),
      'HTTP proxy to go through to a Temporal that is not on this machine; absent = directly. Variables such as https_proxy are not used.',
    ),
    taskQueue: setting(
      'HEADRACE_TASK_QUEUE',
      text.optional(),
      'Task queue of the workers; absent = headrace-<deployment>.',
    ),
    uiUrl: setting(
      'TEMPORAL_UI_URL',
      webUrl.default('http://127.0.0.1:8233'),
      'Address of the Temporal Web UI, for links.',
    ),
  },
  kafka: {
    brokers: setting(
      'KAFKA_BROKERS',
      list.default(['127.0.0.1:9092']),
      'Comma-separated bootstrap brokers, host:port.',
    ),
    clientId: setting(
      'KAFKA_CLIENT_ID',
      text.default('headrace'),
      'Client id; Event Hubs needs a different one per process.',
    ),
    groupPrefix: setting(
      'KAFKA_GROUP_PREFIX',
      text.default('headrace'),
      'Consumer groups are named <prefix>.<deployment>.<pipeline>.',
    ),
    tls: setting('KAFKA_TLS', flag.default(false), 'Use TLS; needed by MSK, Confluent Cloud and Event Hubs.'),
    tlsCaFile: setting('KAFKA_TLS_CA_FILE', text.optional(), 'PEM file of the authority, when it is not a public one.'),
    tlsCertFile: setting('KAFKA_TLS_CERT_FILE', text.optional(), 'PEM file of the client certificate (mTLS).'),
    tlsKeyFile: setting('KAFKA_TLS_KEY_FILE', text.optional(), 'PEM file of the client key (mTLS).'),
    saslMechanism: setting(
      'KAFKA_SASL_MECHANISM',
      saslMechanism.optional(),
      'plain: Confluent Cloud (API key), Event Hubs (user $ConnectionString); scram-sha-256; scram-sha-512: MSK. OAUTHBEARER, AWS_MSK_IAM and GSSAPI (Kerberos) are not supported.',
    ),
    saslUsername: setting('KAFKA_SASL_USERNAME', text.optional(), 'SASL user or API key.'),
    saslPassword: secret('KAFKA_SASL_PASSWORD', text.optional(), 'SASL password, API secret or connection string.'),
    sessionTimeoutMs: setting(
      'KAFKA_SESSION_TIMEOUT_MS',
      whole(1_000, 300_000).default(10_000),
      'How long a silent bridge keeps its partitions.',
    ),
    replicationFactor: setting(
      'KAFKA_REPLICATION_FACTOR',
      whole(1, 10).optional(),
      'Replicas of the topics that Headrace creates; absent = what the brokers do by default.',
    ),
  },
  database: {
    url: secret(
      'DATABASE_URL',
      text
        .regex(/^postgres(ql)?:\/\//, 'must begin with postgres://')
        .default('postgres://headrace@127.0.0.1:5432/headrace'),
      'Postgres of the dashboard sink, the reviews and the gateway.',
    ),
    poolMax: setting('HEADRACE_DATABASE_POOL_MAX', whole(1, 100).default(8), 'Connections per process.'),
  },
  triton: {
    url: setting('TRITON_URL', tritonUrl.default('127.0.0.1:8001'), 'gRPC address of the Triton server, host:port.'),
    tls: setting('TRITON_TLS', flag.default(false), 'Use TLS to Triton.'),
    tlsCaFile: setting(
      'TRITON_TLS_CA_FILE',
      text.optional(),
      "PEM file of the authority that signed Triton's certificate.",
    ),
    deadlineMs: setting(
      'TRITON_DEADLINE_MS',
      whole(10, 60_000).default(2_000),
      'Deadline of one inference call. Larger batches are cut so that their calls keep it; where a fallback is declared, a model that does not answer holds a batch up for so long, once.',
    ),
  },
  lake: {
    url: setting(
      'LAKE_URL',
      fileUrl.optional(),
      'Where the lake lives (file:///...); absent = the folder lake in the data folder.',
    ),
    retentionHours: setting(
      'HEADRACE_DECISIONS_RETENTION_HOURS',
      whole(1, 1_000_000).optional(),
      'How long the lake and the dashboard keep decisions, from the moment they were decided; absent = for ever. `npm start` sets 12 where both are its own.',
    ),
    rollUpSeconds: setting(
      'HEADRACE_LAKE_ROLL_UP_SECONDS',
      whole(1, 86_400).default(60),
      'How often segments are rolled up into Parquet.',
    ),
  },
  bridge: {
    batchesPerSecond: setting(
      'HEADRACE_BATCHES_PER_SECOND',
      whole(1, 10_000).default(30),
      'Batch starts per second of one bridge at most, full ones too, shared by its partitions.',
    ),
    lingerMs: setting(
      'HEADRACE_LINGER_MS',
      lingerMs.default('auto'),
      'How long a batch that is not full waits for more records. A lower value trades CPU for latency; `0` starts at once. `auto`: where Temporal is on the same machine (a loopback address), so long that batches are being scored about a quarter of the time, at most 1000; elsewhere 0.',
    ),
    openBatchesMax: setting(
      'HEADRACE_OPEN_BATCHES_MAX',
      whole(1, 100_000).default(10_000),
      'Runs with undelivered sinks per pipeline; beyond it Kafka holds the backlog.',
    ),
    batchRecordsMax: setting('HEADRACE_BATCH_RECORDS_MAX', whole(1, 16_384).default(2_048), 'Records per batch.'),
    frameBytesMax: setting(
      'HEADRACE_FRAME_BYTES_MAX',
      whole(16_384, mib).default(384 * 1024),
      'Bytes of keys, values and headers per batch, before the codec.',
    ),
    laneBytesMax: setting(
      'HEADRACE_LANE_BYTES_MAX',
      whole(65_536, 1024 * mib).default(2 * mib),
      'Bytes that one partition buffers before it is paused.',
    ),
    startAt: setting(
      'HEADRACE_START_AT',
      text
        .regex(/^(earliest|latest|\d{4}-\d\d-\d\dT.*)$/, 'must be earliest, latest or an ISO time')
        .refine((value) => value === 'earliest' || value === 'latest' || isTime(value), 'is no time that exists')
        .default('earliest'),
      'Where a topic begins that is read for the first time: earliest, latest or an ISO time. Partitions that are added to it later begin at their earliest record.',
    ),
  },
  worker: {
    batchCacheBytesMax: setting(
      'HEADRACE_BATCH_CACHE_BYTES_MAX',
      whole(mib, 8192 * mib).default(64 * mib),
      'Memory for batches whose deliveries are under way; a miss reads history.',
    ),
    workflowsCachedMax: setting(
      'HEADRACE_WORKFLOWS_CACHED_MAX',
      whole(1, 10_000).default(200),
      'Workflow runs kept in memory.',
    ),
    deliveriesPerSinkMax: setting(
      'HEADRACE_DELIVERIES_PER_SINK_MAX',
      whole(1, 1_000).default(16),
      'Deliveries of one pipeline to one sink under way at once in one worker.',
    ),
    reviewStartsPerSecond: setting(
      'HEADRACE_REVIEW_STARTS_PER_SECOND',
      whole(1, 1_000).default(2),
      'Reviews that one worker opens per second; the others wait in Postgres.',
    ),
    refusedInARowMax: setting(
      'HEADRACE_REFUSED_IN_A_ROW_MAX',
      whole(0, 1_000_000).default(200),
      'So many records refused in a row with one code, and none accepted, halt a pipeline instead of becoming dead letters; 0 = never.',
    ),
    sweepSeconds: setting(
      'HEADRACE_SWEEP_SECONDS',
      whole(1, 86_400).default(300),
      'How often the chains are checked for holes, and for batches that ended without completing; decisions that are too old are deleted then.',
    ),
  },
  gateway: {
    host: setting('HEADRACE_GATEWAY_HOST', host.default('127.0.0.1'), 'Address the gateway listens on.'),
    port: setting('HEADRACE_GATEWAY_PORT', port.default(8_000), 'Port of the gateway.'),
    codecOrigins: setting(
      'HEADRACE_CODEC_ORIGINS',
      list.default([]),
      "Web origins that may call the codec endpoint, besides the Temporal Web UI's.",
    ),
  },
  codec: {
    key: secret(
      'HEADRACE_CODEC_KEY',
      text.regex(/^[\w-]{1,40}:[A-Za-z0-9+/]{43}=$/, 'must be <key id>:<32 bytes in base64>').optional(),
      'Encrypts payloads (AES-256-GCM): <key id>:<32 bytes in base64>.',
    ),
    oldKeys: secret(
      'HEADRACE_CODEC_OLD_KEYS',
      list.optional(),
      'Keys that can still be read, in the same form, comma-separated.',
    ),
  },
  simulator: {
    rate: setting(
      'HEADRACE_SIMULATOR_RATE',
      z.coerce.number().positive().max(1_000_000).default(50),
      'Simulated events per second.',
    ),
  },
  metrics: {
    host: setting('HEADRACE_METRICS_HOST', host.default('127.0.0.1'), 'Address that /metrics of a process listens on.'),
    port: setting('HEADRACE_METRICS_PORT', port.default(0), 'Port of /metrics; 0 = any free one, printed at start.'),
    targets: setting(
      'HEADRACE_METRICS_TARGETS',
      list.default([]),
      "Metrics addresses of the other processes, shown together on the gateway's /metrics.",
    ),
  },
} as const;
