import { lagOf, type TopicState } from './topic-state.ts';

/** What `headrace chains show --output json` prints of one pipeline. */
export interface ChainsReport {
  pipeline: string;
  topic: string;
  epoch: number;
  members: number;
  partitions: number;
  /** Null where no bridge has committed anything yet. */
  layout: number | null;
  chains: number | null;
  list: {
    layout: number;
    chain: number;
    partitions: number[];
    /** The last batch that is known to be scored; null = none yet. */
    sequence: number | null;
    /** The batch behind it. */
    open: { workflowId: string; status: string } | null;
    lag: number;
    /** What it waits for, or why nothing is known. */
    waits: string | null;
  }[];
}

export function chainsReport({ topic, members, layout, chains, partitions, stands }: TopicState): ChainsReport {
  return {
    pipeline: topic.pipeline,
    topic: topic.topic,
    epoch: topic.epoch,
    members,
    partitions: partitions.length,
    layout: layout ?? null,
    chains: chains ?? null,
    list: stands
      .map(({ chain, partitions: own, state: { sequence, next, waiting } }) => ({
        layout: chain.layout,
        chain: chain.chain,
        partitions: own,
        sequence: sequence ?? null,
        open: next ?? null,
        lag: lagOf(partitions.filter(({ partition }) => own.includes(partition))),
        waits: waiting ? (waiting.text ?? waiting.kind) : null,
      }))
      .toSorted((a, b) => a.layout - b.layout || a.chain - b.chain),
  };
}

const partitionsShownMax = 8;

/** The same for people: one line a chain. */
export function chainsText({ pipeline, topic, partitions, layout, chains, members, list }: ChainsReport): string {
  const head = `pipeline ${pipeline}: ${topic}, ${plural(partitions, 'partition')}`;
  if (layout === null || chains === null)
    return `${head}; no bridge has begun it yet, and the pipeline file says in how many chains it will be read\n`;
  const rows = list.map((each) => [
    `${each.layout}.${each.chain}`,
    partitionsText(each.partitions),
    each.sequence === null ? 'none' : String(each.sequence),
    each.lag.toLocaleString('en-US'),
    each.open ? `${each.open.workflowId} is ${each.open.status.toLowerCase()}` : (each.waits ?? 'none'),
  ]);
  return [
    `${head} in ${plural(chains, 'chain')} (layout ${layout}), read by ${plural(members, 'member')} of its group`,
    ...table([['chain', 'partitions', 'last scored', 'lag', 'open batch'], ...rows]),
    '',
  ].join('\n');
}

function partitionsText(partitions: readonly number[]): string {
  const more = partitions.length - partitionsShownMax;
  return `${partitions.slice(0, partitionsShownMax).join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}

function plural(count: number, what: string): string {
  return `${count.toLocaleString('en-US')} ${what}${count === 1 ? '' : 's'}`;
}

function table(rows: readonly string[][]): string[] {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows.map((row) => `  ${row.map((text, column) => text.padEnd(widths[column]!)).join('  ')}`.trimEnd());
}
