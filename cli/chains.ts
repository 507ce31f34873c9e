import { InvalidArgumentError, Option, type Command } from 'commander';
import { dataDirOption } from './options.ts';
import { chainsReport, chainsText } from './positions/chains-text.ts';
import { planLayout, refusalOf, wrongNumber } from './positions/plan-layout.ts';
import { openTopics } from './positions/open-topics.ts';

interface ShowOptions {
  pipeline?: string;
  output: 'text' | 'json';
  dataDir?: string;
}

/** Adds `headrace chains`: in how many chains a topic is read, and how to change that. */
export function registerChains(program: Command): void {
  const chains = program
    .command('chains')
    .description('Show in how many chains the topic of a pipeline is read, or change it.');
  chains
    .command('show')
    .description('Show the chains of each pipeline: partitions, last scored batch, open batch and lag.')
    .option('--pipeline <name>', 'only this pipeline')
    .addOption(new Option('--output <form>', 'how to print').choices(['text', 'json']).default('text'))
    .option(...dataDirOption)
    .option('--verbose', 'show stacks of errors')
    .action(showChains);
  chains
    .command('set')
    .description(
      'Change the number of chains: stop the bridges of the pipeline, run this, write the same number into the pipeline file, start the bridges again. Nothing is lost or decided twice.',
    )
    .argument('<number>', 'from 1 to the number of partitions', wholeNumber)
    .requiredOption('--pipeline <name>', 'the pipeline')
    .option(...dataDirOption)
    .option('--verbose', 'show stacks of errors')
    .action(setChains);
}

async function showChains({ pipeline, output, dataDir }: ShowOptions): Promise<void> {
  const topics = await openTopics(dataDir, pipeline);
  try {
    const reports = [];
    for (const asked of topics.list) reports.push(chainsReport(await topics.read(asked)));
    process.stdout.write(
      output === 'json' ? `${JSON.stringify(reports, undefined, 2)}\n` : reports.map(chainsText).join('\n'),
    );
  } finally {
    await topics.close();
  }
}

async function setChains(chains: number, { pipeline, dataDir }: { pipeline: string; dataDir?: string }): Promise<void> {
  const topics = await openTopics(dataDir, pipeline);
  try {
    const [asked] = topics.list;
    const state = await topics.read(asked!);
    const wrong = wrongNumber(chains, state);
    if (wrong) throw new Error(wrong);
    const name = `topic.chains: ${chains}`;
    if (state.chains === chains && state.partitions.every(({ commit }) => commit?.metadata.layout === state.layout)) {
      process.stdout.write(
        `${state.topic.topic} is read in ${chains} chains already, in layout ${state.layout}; the file of pipeline "${pipeline}" must say ${name}\n`,
      );
      return;
    }
    const refusal = refusalOf(state, state.members > 0 ? [] : await topics.unfinished(state.topic));
    if (refusal) throw new Error(refusal);
    const { layout, commits } = planLayout(state, chains);
    await topics.commit(state, commits);
    process.stdout.write(
      `${state.topic.topic} is read in ${chains} ${chains === 1 ? 'chain' : 'chains'} from now on (layout ${layout}), each partition from where it was. Write ${name} into the file of pipeline "${pipeline}", and start the bridges again.\n`,
    );
  } finally {
    await topics.close();
  }
}

function wholeNumber(text: string): number {
  if (!/^\d{1,6}$/.test(text)) throw new InvalidArgumentError('it must be a whole number.');
  return Number(text);
}
