import type { Row } from '../row.ts';
import {
  killBothBridges,
  killBridge,
  killKafka,
  killModels,
  killPostgres,
  killTemporal,
  killWithoutTemporal,
  killWorker,
} from './kills.ts';
import { chainsChanged, hostsMoreThanChains, partitionHaltedInChain, sixteenPartitions } from './chains.ts';
import { clockSteps } from './clock.ts';
import { brokersCutOff, brokersKilled, brokersRolled } from './cluster.ts';
import { producerDuplicates } from './duplicates.ts';
import { lakeDiskFull } from './lake.ts';
import { medley, swizzle } from './medley.ts';
import { modelsReload, modelsWrong } from './models-wrong.ts';
import {
  kafkaNetwork,
  modelsNetwork,
  postgresAtCommit,
  postgresNetwork,
  temporalCutReplies,
  temporalDown,
  temporalExhausted,
  temporalNetwork,
} from './network.ts';
import { oversizeAndFiveSinks } from './oversize.ts';
import {
  allWorkersDown,
  rebalanceStorm,
  rollingRestarts,
  smallCache,
  zombieLong,
  zombieShort,
  zombieWorker,
} from './processes.ts';
import { oddRecords } from './odd-records.ts';
import { compression, late, poison, transactions } from './records.ts';
import { retentionWhileAway, retentionWhileRunning } from './retention.ts';
import { verdicts } from './reviews.ts';
import { sinkDown, sinkDownLong } from './sink-down.ts';
import { endedFromOutside, modelChanges } from './runs.ts';
import { storeShared } from './store.ts';
import { anotherFormat, farAhead } from './strangers.ts';
import {
  compaction,
  groupDeleted,
  partitionsAdded,
  rereadAfterExpiry,
  topicRecreated,
  topicRecreatedAway,
} from './topic.ts';

/** The matrix. */
export const rows: readonly Row[] = [
  killBridge,
  killBothBridges,
  killWorker,
  killKafka,
  killTemporal,
  killPostgres,
  killModels,
  killWithoutTemporal,
  modelChanges,
  zombieShort,
  zombieLong,
  zombieWorker,
  rebalanceStorm,
  rollingRestarts,
  allWorkersDown,
  smallCache,
  storeShared,
  clockSteps,
  temporalCutReplies,
  temporalExhausted,
  temporalNetwork,
  temporalDown,
  modelsNetwork,
  modelsWrong,
  modelsReload,
  postgresAtCommit,
  postgresNetwork,
  sinkDown,
  sinkDownLong,
  lakeDiskFull,
  oversizeAndFiveSinks,
  kafkaNetwork,
  brokersKilled,
  brokersRolled,
  brokersCutOff,
  groupDeleted,
  rereadAfterExpiry,
  retentionWhileAway,
  retentionWhileRunning,
  topicRecreated,
  topicRecreatedAway,
  partitionsAdded,
  partitionHaltedInChain,
  chainsChanged,
  hostsMoreThanChains,
  sixteenPartitions,
  endedFromOutside,
  transactions,
  compaction,
  compression,
  late,
  producerDuplicates,
  anotherFormat,
  farAhead,
  poison,
  oddRecords,
  verdicts,
  swizzle,
  medley,
];
