import type { Endpoints } from '@headrace/stack/supervisor';
import { addressTable, type TableFacts } from './table.ts';

export interface ScreenFacts extends TableFacts {
  /** Events per second of the simulator; undefined when there is none. */
  simulatedRate: number | undefined;
  /** The file whose events are fed. */
  eventsFile: string | undefined;
  /** The data folder as the commands want it named; undefined when it is the usual one. */
  dataDir: string | undefined;
}

function whatYouSee({ pipelines, gateway }: Endpoints, { simulatedRate, eventsFile }: ScreenFacts): string {
  const through = `${pipelines.length === 1 ? 'the pipeline' : 'the pipelines'} ${pipelines.map(({ name }) => name).join(', ')}`;
  if (eventsFile !== undefined)
    return `The events of ${eventsFile} go through ${through}; the line at the bottom counts what becomes of them.`;
  if (simulatedRate !== undefined)
    return `Simulated events, ${simulatedRate} a second, go through ${through}; the line at the bottom counts what becomes of them.`;
  return `Nothing produces events: ${through} ${pipelines.length === 1 ? 'waits' : 'wait'} for what you send to ${gateway.url}/v1/pipelines/${pipelines[0]?.name}/events.`;
}

/** A word of a command for a shell. */
const quoted = (word: string): string => (/^[\w./:@=+-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`);

/** What is told once everything runs: what there is to see, where, and what to try. */
export function firstScreen(endpoints: Endpoints, facts: ScreenFacts): string[] {
  const folder = facts.dataDir === undefined ? '' : ` --data-dir ${quoted(facts.dataDir)}`;
  const commands = [
    [`npx headrace status${folder}`, 'what stands and why'],
    [`npx headrace status --verify${folder}`, 'whether any record is missing'],
    [`curl -s ${endpoints.gateway.url}/v1/reviews`, 'decisions that wait for a person'],
  ] as const;
  const width = Math.max(...commands.map(([command]) => command.length));
  return [
    whatYouSee(endpoints, facts),
    '',
    'Where to look:',
    ...addressTable(endpoints, facts),
    '',
    'What to try, in a second terminal:',
    ...commands.map(([command, what]) => `  ${command.padEnd(width)}  ${what}`),
    '',
  ];
}
