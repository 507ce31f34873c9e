/**
 * Identities. An event key names an effect for ever; batch and review workflow ids are the same grammar behind a word that
 * tells them apart, because one namespace holds both. Every part is limited to characters that are safe in URLs.
 */

/** What belongs together of a pipeline, in one epoch. */
export interface PipelineScope {
  deployment: string;
  pipeline: string;
  epoch: number;
}

/** A topic as a pipeline reads it, in one epoch. */
export interface TopicRef extends PipelineScope {
  topic: string;
}

/** One partition of it. */
export interface PartitionRef extends TopicRef {
  partition: number;
}

/**
 * A fixed set of a topic's partitions, whose batches come one after another. Partition `p` of a topic with `C` chains is in chain `p mod C`;
 * each change of `C` is a new layout.
 */
export interface ChainRef extends TopicRef {
  layout: number;
  chain: number;
}

/** What a batch holds of one partition: the records in `[position, end)`. `count` is how many there are; gaps are legal. */
export interface BatchRange {
  partition: number;
  position: number;
  end: number;
  count: number;
  /** Nothing of the partition was in a batch before. Absent = no. */
  first?: true;
}

/** One batch of a chain. Its records come in the order of its ranges, those of a range in the order of their offsets. */
export interface BatchRef extends ChainRef {
  /** The batches of a chain are numbered 0, 1, 2, ... */
  sequence: number;
  /** At most one for each partition of the chain, at least one; partitions ascend. */
  ranges: readonly BatchRange[];
  /**
   * Drawn for each start, and part of the run's input: what tells a run that goes on, or was reset, from one that was started again
   * under the same number after the first had passed Temporal's retention. Absent on what is folded again without a run.
   */
  startId?: string;
  /** The start id of the batch before it, which was scored: nobody asks for its features any more. Absent = that is not known. */
  after?: string;
}

const namePattern = /^[A-Za-z0-9._-]{1,100}$/;

/** True for a deployment, pipeline or topic name that may stand in an event key. */
export function isName(text: string): boolean {
  return namePattern.test(text);
}

/** `<deployment>:<pipeline>:<epoch>` */
export function scopeId({ deployment, pipeline, epoch }: PipelineScope): string {
  return `${deployment}:${pipeline}:${epoch}`;
}

/** `<deployment>:<pipeline>:<epoch>:<topic>:<partition>` */
export function partitionId({ partition, ...topic }: PartitionRef): string {
  return `${topicId(topic)}:${partition}`;
}

/** `<deployment>:<pipeline>:<epoch>:<topic>:<layout>.<chain>` */
export function chainId({ layout, chain, ...topic }: ChainRef): string {
  return `${topicId(topic)}:${layout}.${chain}`;
}

function topicId(ref: TopicRef): string {
  return `${scopeId(ref)}:${ref.topic}`;
}

/** `<deployment>:<pipeline>:<epoch>:<topic>:<partition>:<offset>`: the permanent identity of an effect. */
export function eventKey(partition: PartitionRef, offset: number): string {
  return `${eventKeyPrefix(partition)}${offset}`;
}

/** What the event keys of all records of a partition begin with, and no others. */
export function eventKeyPrefix(partition: PartitionRef): string {
  return `${partitionId(partition)}:`;
}

/** The partition of one of a topic's ranges, without what else `of` holds. */
export function partitionOf({ deployment, pipeline, epoch, topic }: TopicRef, partition: number): PartitionRef {
  return { deployment, pipeline, epoch, topic, partition };
}

/** What the event keys of a deployment begin with, and no others: deployments may share a database. */
export function deploymentPrefix(deployment: string): string {
  return `${deployment}:`;
}

/** Workflow id of one batch of a chain. */
export function batchWorkflowId(chain: ChainRef, sequence: number): string {
  return `${batchWorkflowIdPrefix(chain)}${sequence}`;
}

/** What the workflow ids of all batches of a chain begin with, and no others. */
export function batchWorkflowIdPrefix(chain: ChainRef): string {
  return `batch:${chainId(chain)}:`;
}

/** What the workflow ids of all batches of a topic begin with, and no others. */
export function topicWorkflowIdPrefix(topic: TopicRef): string {
  return `batch:${topicId(topic)}:`;
}

/** The chain of a partition. */
export function chainOf(partition: number, chains: number): number {
  return partition % chains;
}

/** How many records a batch holds. */
export function recordCount({ ranges }: Pick<BatchRef, 'ranges'>): number {
  return ranges.reduce((sum, { count }) => sum + count, 0);
}

/** Workflow id of the review of one event. */
export function reviewWorkflowId(key: string): string {
  return `review:${key}`;
}

/** Id of the schedule of a workflow, and what the ids of its runs begin with: those of every deployment in a namespace are told apart. */
export function scheduledWorkflowId(word: string, deployment: string, taskQueue: string): string {
  return `${word}:${deployment}:${taskQueue}`;
}

/** The deployment that a workflow belongs to, by its id; undefined when the id is none of ours. */
export function deploymentOfWorkflow(workflowId: string): string | undefined {
  const [, deployment, ...rest] = workflowId.split(':');
  return deployment !== undefined && isName(deployment) && rest.length > 0 ? deployment : undefined;
}

/** A text that is no event key. */
class EventKeyError extends TypeError {
  override readonly name = 'EventKeyError';
}

/** Reads an event key back. Throws an EventKeyError on anything that is not one. */
export function parseEventKey(text: string): PartitionRef & { offset: number } {
  const { topic, parts } = splitId(text) ?? {};
  const [partition, offset] = parts?.map(wholeNumber) ?? [];
  if (!topic || partition === undefined || offset === undefined) {
    throw new EventKeyError(
      `"${text}" is no event key; one looks like deployment:pipeline:epoch:topic:partition:offset`,
    );
  }
  return { ...topic, partition, offset };
}

/** Reads the workflow id of a batch back. Throws an EventKeyError on anything that is not one. */
export function parseBatchId(workflowId: string): ChainRef & { sequence: number } {
  const { topic, parts } = (workflowId.startsWith('batch:') && splitId(workflowId.slice('batch:'.length))) || {};
  const [layout, chain] = parts?.[0].split('.').map(wholeNumber) ?? [];
  const sequence = wholeNumber(parts?.[1]);
  if (!topic || layout === undefined || chain === undefined || sequence === undefined) {
    throw new EventKeyError(
      `"${workflowId}" is no batch id; one looks like batch:deployment:pipeline:epoch:topic:layout.chain:sequence`,
    );
  }
  return { ...topic, layout, chain, sequence };
}

/** Six parts, of which the first four name a topic; undefined when they are not that. */
function splitId(text: string): { topic: TopicRef; parts: [string, string] } | undefined {
  const [deployment, pipeline, epochText, topic, fifth, sixth, ...rest] = text.split(':');
  const epoch = wholeNumber(epochText);
  const areNames = [deployment, pipeline, topic].every((name) => name !== undefined && isName(name));
  if (!areNames || epoch === undefined || fifth === undefined || sixth === undefined || rest.length > 0)
    return undefined;
  return { topic: { deployment: deployment!, pipeline: pipeline!, epoch, topic: topic! }, parts: [fifth, sixth] };
}

function wholeNumber(text: string | undefined): number | undefined {
  if (text === undefined || !/^\d{1,16}$/.test(text)) return undefined;
  const value = Number(text);
  return Number.isSafeInteger(value) ? value : undefined;
}
