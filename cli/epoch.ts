import type { Command } from 'commander';
import { dataDirOption, partitionNumbers, wholeNumber } from './options.ts';
import { openTopics, type Topics } from './positions/open-topics.ts';
import { planEpoch, wrongEpochPlan, type EpochPlan, type Start } from './positions/plan-epoch.ts';
import { refusalOf } from './positions/plan-layout.ts';
import type { TopicState } from './positions/topic-state.ts';

interface BumpOptions {
  pipeline: string;
  partition: number[];
  start: Start;
  dataDir?: string;
}

/** Adds `headrace epoch`: what somebody does about a topic that is not the one any more that was read. */
export function registerEpoch(program: Command): void {
  program
    .command('epoch')
    .description('Begin a topic anew that was recreated or truncated, or that is to be processed again.')
    .command('bump')
    .description(
      'Begin the next epoch of the topic of a pipeline: the named partitions begin where --start says, all others stay where they are. Every event key of the topic is a new one from then on, and feature windows begin empty. Stop the bridges before, and start them again afterwards.',
    )
    .requiredOption('--pipeline <name>', 'the pipeline')
    .requiredOption('--partition <numbers...>', 'the partitions that begin elsewhere', partitionNumbers)
    .requiredOption(
      '--start <where>',
      'earliest (a topic that was recreated), latest (one that was truncated), or an offset',
      startPosition,
    )
    .option(...dataDirOption)
    .option('--verbose', 'show stacks of errors')
    .action(bumpEpoch);
}

async function bumpEpoch({ pipeline, partition, start, dataDir }: BumpOptions): Promise<void> {
  const topics = await openTopics(dataDir, pipeline);
  try {
    const state = await topics.read(topics.list[0]!);
    const plan: EpochPlan = { partitions: partition, start, ...(await layoutOf(state, topics)) };
    const wrong =
      wrongEpochPlan(state, plan) ??
      refusalOf(whatStays(state, plan), state.members > 0 ? [] : await topics.unfinished(state.topic));
    if (wrong) throw new Error(wrong);
    const { epoch, commits } = planEpoch(state, plan);
    await topics.commit(state, commits);
    const named = [...new Set(partition)].map((each) => `${each} at offset ${commits.get(each)!.offset}`).join(', ');
    const others = state.partitions.length - new Set(partition).size;
    process.stdout.write(
      `${state.topic.topic} is in epoch ${epoch} of pipeline "${pipeline}" now: partition ${named}${others > 0 ? `; the ${others === 1 ? 'other one is' : `${others} others are`} where ${others === 1 ? 'it was' : 'they were'}` : ''}. Start the bridges again.\n`,
    );
  } finally {
    await topics.close();
  }
}

/** What was committed of partitions that begin elsewhere is of no interest. */
function whatStays(state: TopicState, { layout, partitions }: EpochPlan): TopicState {
  return {
    ...state,
    layout,
    partitions: state.partitions.filter(({ partition }) => !partitions.includes(partition)),
  };
}

/** Kafka forgets the commits of a topic that is deleted: then the pipeline file says in how many chains it is read. */
async function layoutOf(
  { layout, chains, partitions, topic }: TopicState,
  topics: Topics,
): Promise<Pick<EpochPlan, 'layout' | 'chains'>> {
  if (layout !== undefined && chains !== undefined) return { layout, chains };
  const inFile = await topics.chainsInFile(topic.pipeline);
  if (inFile === undefined)
    throw new Error(
      `nothing is committed of ${topic.topic}, so it is not known in how many chains it is read: set HEADRACE_PIPELINES_DIR to the folder of the file of pipeline "${topic.pipeline}"`,
    );
  return { layout: 0, chains: Math.min(inFile, partitions.length) };
}

function startPosition(text: string): Start {
  return text === 'earliest' || text === 'latest' ? text : wholeNumber(text, 'earliest, latest or an offset from 0 on');
}
