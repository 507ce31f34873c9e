import type { Row } from '../row.ts';
import { killBothBridges, killBridge, killKafka, killModels, killPostgres, killTemporal, killWithoutTemporal, killWorker } from './kills.ts';
import { medley, swizzle } from './medley.ts';
import { modelsWrong } from './models-wrong.ts';
import { kafkaNetwork, modelsNetwork, postgresAtCommit, sinkDown, temporalCutReplies, temporalDown, temporalExhausted, temporalNetwork } from './network.ts';
import { allWorkersDown, rebalanceStorm, rollingRestarts, smallCache, zombieLong, zombieShort, zombieWorker } from './processes.ts';
import { compression, late, poison, transactions } from './records.ts';
import { verdicts } from './reviews.ts';
import { endedFromOutside, modelChanges } from './runs.ts';
import { compaction, groupDeleted, partitionsAdded, rereadAfterExpiry, retention, topicRecreated, topicRecreatedAway } from './topic.ts';

/** The matrix. */
export const rows: readonly Row[] = [
  killBridge, killBothBridges, killWorker, killKafka, killTemporal, killPostgres, killModels, killWithoutTemporal, modelChanges,
  zombieShort, zombieLong, zombieWorker, rebalanceStorm, rollingRestarts, allWorkersDown, smallCache,
  temporalCutReplies, temporalExhausted, temporalNetwork, temporalDown, modelsNetwork, modelsWrong, postgresAtCommit, sinkDown, kafkaNetwork,
  groupDeleted, rereadAfterExpiry, retention, topicRecreated, topicRecreatedAway, partitionsAdded, endedFromOutside,
  transactions, compaction, compression, late, poison, verdicts, swizzle, medley,
];
