/**
 * Identities. An event key names an effect for ever; batch and review workflow ids are the same grammar behind a word that
 * tells them apart, because one namespace holds both. Every part is limited to characters that are safe in URLs.
 */

/** The chain a partition belongs to: all batches of one partition of one topic of one pipeline, in one epoch. */
export interface Chain {
  deployment: string;
  pipeline: string;
  epoch: number;
  topic: string;
  partition: number;
}

/** What belongs together of a pipeline: all its chains in one epoch. */
export type PipelineScope = Pick<Chain, 'deployment' | 'pipeline' | 'epoch'>;

/** One batch of a chain: the records in `[position, end)`. `count` is how many there are; gaps are legal. */
export interface BatchRef extends Chain {
  position: number;
  end: number;
  count: number;
  /** Set on the first batch of a chain, which has no predecessor. */
  head?: boolean;
  /**
   * Drawn for each start, and part of the run's input: what tells a run that goes on, or was reset, from one that was started again
   * at the same position after the first had passed Temporal's retention. Absent on what is folded again without a run.
   */
  startId?: string;
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
export function chainId(chain: Chain): string {
  return `${chain.deployment}:${chain.pipeline}:${chain.epoch}:${chain.topic}:${chain.partition}`;
}

/** `<deployment>:<pipeline>:<epoch>:<topic>:<partition>:<offset>`: the permanent identity of an effect. */
export function eventKey(chain: Chain, offset: number): string {
  return `${eventKeyPrefix(chain)}${offset}`;
}

/** What the event keys of all records of a chain begin with, and no others. */
export function eventKeyPrefix(chain: Chain): string {
  return `${chainId(chain)}:`;
}

/** What the event keys of a deployment begin with, and no others: deployments may share a database. */
export function deploymentPrefix(deployment: string): string {
  return `${deployment}:`;
}

/** Workflow id of the batch that starts at `position`. */
export function batchWorkflowId(chain: Chain, position: number): string {
  return `${batchWorkflowIdPrefix(chain)}${position}`;
}

/** What the workflow ids of all batches of a chain begin with, and no others. */
export function batchWorkflowIdPrefix(chain: Chain): string {
  return `batch:${chainId(chain)}:`;
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
export function parseEventKey(text: string): Chain & { offset: number } {
  const parts = text.split(':');
  const [deployment, pipeline, epochText, topic, partitionText, offsetText] = parts;
  const epoch = wholeNumber(epochText);
  const partition = wholeNumber(partitionText);
  const offset = wholeNumber(offsetText);
  const named = [deployment, pipeline, topic].every((name) => name !== undefined && isName(name));
  if (parts.length !== 6 || !named || epoch === undefined || partition === undefined || offset === undefined) {
    throw new EventKeyError(
      `"${text}" is no event key; one looks like deployment:pipeline:epoch:topic:partition:offset`,
    );
  }
  return { deployment: deployment!, pipeline: pipeline!, epoch, topic: topic!, partition, offset };
}

function wholeNumber(text: string | undefined): number | undefined {
  if (text === undefined || !/^\d{1,16}$/.test(text)) return undefined;
  const value = Number(text);
  return Number.isSafeInteger(value) ? value : undefined;
}
