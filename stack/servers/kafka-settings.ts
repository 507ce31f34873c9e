/** What differs from one Kafka of ours to the next. */
export interface KafkaSettings extends Pick<ClusterPlace, 'nodeId' | 'controllerPorts'> {
  port: number;
  /** Where Kafka keeps its topics, relative to the folder that it runs in. Without a comma: to Kafka it is a list. */
  logsDir: string;
  /** The shortest session time-out that consumers may ask for. */
  groupMinSessionTimeoutMs: number;
  /** A second listener, for clients that come through something in between (a proxy, a tunnel). */
  via?: ViaListener;
  /** How long topics keep records that say nothing else. @default Kafka's own, a week */
  retentionHours?: number;
  /** More of them, and others in place of those that it has by itself. */
  more?: Record<string, string>;
}

/** One broker's place among several. */
export interface ClusterPlace {
  /** Counted from 1. */
  nodeId: number;
  /** The same for all nodes; from `newClusterId`. */
  clusterId: string;
  /** Where the controllers of all nodes listen, that of node 1 first. */
  controllerPorts: readonly number[];
}

/** Kafka tells its clients where to connect, so each way to it needs a listener of its own. */
export interface ViaListener {
  /** Where the broker listens. */
  port: number;
  /** Where its clients are told to connect, on this machine. */
  advertisedPort: number;
}

/** Largest record a producer may send, in bytes. Above the pipeline's own cap, so that oversized records arrive and can be dead-lettered. */
const messageBytesMax = 4 * 1024 * 1024;

/** Only whole segments are deleted or compacted, and never the one that is written to: a topic keeps records for up to so much longer than it says. */
const segmentMs = 10 * 60_000;
/** Of the topics that Kafka keeps for itself. By default the cluster's own log would grow to 1 GB before any of it is deleted. */
const innerSegmentBytes = 8 * 1024 * 1024;

/** More copies than this make nothing safer on one machine. */
const replicasMost = 3;

/** `server.properties` of a KRaft node on loopback, broker and controller in one. Escapes what a Java properties file would take for syntax. */
export function serverProperties({
  port,
  nodeId,
  controllerPorts,
  logsDir,
  groupMinSessionTimeoutMs,
  via,
  retentionHours,
  more,
}: KafkaSettings): string {
  const controllerPort = controllerPorts[nodeId - 1]!;
  const isAlone = controllerPorts.length === 1;
  const replicas = Math.min(replicasMost, controllerPorts.length);
  // With three, what was acknowledged outlives any one of them, and the other two go on taking records.
  const inSync = Math.max(1, replicas - 1);
  const viaAt = (viaPort: number | undefined) => (viaPort === undefined ? '' : `,VIA://127.0.0.1:${viaPort}`);
  const settings: Record<string, string | number | boolean> = {
    'process.roles': 'broker,controller',
    'node.id': nodeId,
    // A static quorum may move to another port between starts; a dynamic one stores its address in the data.
    'controller.quorum.voters': controllerPorts.map((each, i) => `${i + 1}@127.0.0.1:${each}`).join(','),
    listeners: `PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controllerPort}${viaAt(via?.port)}`,
    'advertised.listeners': `PLAINTEXT://127.0.0.1:${port}${viaAt(via?.advertisedPort)}`,
    'controller.listener.names': 'CONTROLLER',
    'listener.security.protocol.map': 'PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,VIA:PLAINTEXT',
    'log.dirs': logsDir,
    'auto.create.topics.enable': false,
    // After a SIGKILL the controller holds the old registration for one session: alone 2 s instead of Kafka's own 9.
    'broker.session.timeout.ms': isAlone ? 2_000 : 9_000,
    'broker.heartbeat.interval.ms': 500,
    'group.initial.rebalance.delay.ms': 0,
    'group.min.session.timeout.ms': groupMinSessionTimeoutMs,
    'offsets.topic.replication.factor': replicas,
    'offsets.topic.num.partitions': 8,
    'transaction.state.log.replication.factor': replicas,
    'transaction.state.log.min.isr': inSync,
    'transaction.state.log.num.partitions': 8,
    'share.coordinator.state.topic.replication.factor': replicas,
    'share.coordinator.state.topic.min.isr': inSync,
    'share.coordinator.state.topic.num.partitions': 1,
    'default.replication.factor': replicas,
    'min.insync.replicas': inSync,
    'message.max.bytes': messageBytesMax,
    'replica.fetch.max.bytes': messageBytesMax,
    'log.segment.bytes': 64 * 1024 * 1024,
    'log.roll.ms': segmentMs,
    ...(retentionHours === undefined ? {} : { 'log.retention.ms': retentionHours * 3_600_000 }),
    'offsets.topic.segment.bytes': innerSegmentBytes,
    'transaction.state.log.segment.bytes': innerSegmentBytes,
    'metadata.log.segment.bytes': innerSegmentBytes,
    'metadata.max.retention.bytes': 2 * innerSegmentBytes,
    'log.index.size.max.bytes': 1024 * 1024,
    'log.retention.check.interval.ms': 30_000,
    // It compacts little; the default of 128 MiB would be a quarter of the heap.
    'log.cleaner.dedupe.buffer.size': 16 * 1024 * 1024,
    'num.network.threads': 2,
    'num.io.threads': 4,
    'controlled.shutdown.enable': true,
    ...more,
  };
  return Object.entries(settings)
    .map(([key, value]) => `${key}=${String(value).replaceAll('\\', '\\\\')}\n`)
    .join('');
}

/** Warnings and errors to standard output, which is the server's log file. */
export const log4jProperties = `status=error
appender.console.type=Console
appender.console.name=console
appender.console.layout.type=PatternLayout
appender.console.layout.pattern=%d{ISO8601} %p %c{1}: %m%n
rootLogger.level=warn
rootLogger.appenderRef.console.ref=console
`;
