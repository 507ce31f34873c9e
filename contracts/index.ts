/**
 * What flows between the rooms: types, ids, frames, names and failure codes.
 * Nothing here reads or writes anything, and only `contracts/schemas/` knows zod.
 * Workflow code may use all of it but the schemas.
 */
export {
  type BatchRun,
  type BatchRunsPort,
  type HaltedRun,
  type HaltedRunsPort,
  type IncompleteRuns,
  type OffsetRange,
  type OpenRunsPort,
} from './batch-runs.ts';
export { type Decisions, type DecisionsHeader, decodeDecisions, encodeDecisions } from './decisions-frame.ts';
export { type DecisionRow, type Delivery, type RecordPlace } from './delivery.ts';
export {
  type BatchRange,
  type BatchRef,
  type ChainRef,
  type PartitionRef,
  type PipelineScope,
  type TopicRef,
  batchWorkflowId,
  batchWorkflowIdPrefix,
  chainId,
  deploymentOfWorkflow,
  deploymentPrefix,
  eventKey,
  eventKeyPrefix,
  isName,
  parseBatchId,
  parseEventKey,
  partitionId,
  partitionOf,
  recordCount,
  reviewWorkflowId,
  scheduledWorkflowId,
  scopeId,
  topicWorkflowIdPrefix,
} from './event-key.ts';
export { type FailureCode, HeadraceError, failures, fetchFailure, fullMessageOf, messageOf } from './failures.ts';
export {
  type Features,
  type FeaturesHeader,
  decodeFeatures,
  encodeFeatures,
  featureRow,
  featuresByName,
  namerOf,
} from './features-frame.ts';
export {
  type BatchMemo,
  type Positions,
  type RecordMark,
  type ScoredReply,
  deadLettersTarget,
  deadLettersTopic,
  decisionsTopic,
  eventKeyHeader,
  labelsTopic,
  ledgerTarget,
  reviewStateQueryName,
  scoredUpdateName,
  searchAttributes,
  verdictName,
  workflowNames,
} from './names.ts';
export {
  type PartitionState,
  type PartitionStates,
  type WaitKind,
  type Waiting,
  ageSeconds,
  openTransaction,
  waitKinds,
  waitText,
} from './partition-state.ts';
export {
  type AnyPipeline,
  type DecideInput,
  type EventSchema,
  type Feature,
  type Model,
  type Pipeline,
  type Prediction,
  type ReviewPolicy,
  type SchemaIssue,
  type SinkBinding,
  type ValueFeature,
  type WindowFeature,
} from './pipeline.ts';
export {
  type ReadableHeader,
  type RecordHeader,
  headerBytes,
  headersIn,
  headersWithin,
  readableHeaders,
  skipHeaders,
  textHeader,
} from './record-headers.ts';
export { type KafkaRecord, decodeRecords, encodeRecords, offsetOf } from './records-frame.ts';
export { type Rejection, nameOf } from './rejection.ts';
export {
  type AcceptedVerdict,
  type ReviewInput,
  type ReviewLabel,
  type ReviewState,
  type ReviewTransition,
  type VerdictInput,
  commentLengthMax,
  reviewStatuses,
  reviewerLengthMax,
  verdictFailures,
} from './review.ts';
export { type Config, ConfigError, cleanSettings, isLoopback, parseConfig } from './schemas/config.ts';
