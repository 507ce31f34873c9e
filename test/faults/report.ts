import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readMutants, readRuns, type KeptMutant, type KeptRun } from './results.ts';
import { rows } from './rows/index.ts';
import { quantile } from '../../bench/figures.ts';
import { repositoryRoot } from './system/product.ts';

const promise = `Headrace promises that nothing is lost and nothing happens twice: each record of a topic has its effect once in every sink that its
decision selects, or a dead letter that says why, and all sinks agree, whatever crashes, freezes, is cut off or comes back. Kafka outputs are
at-least-once with the event key on each message; readers de-duplicate by it, as the oracle here does.`;

const method = `\`npm run faults\` starts real Kafka, Temporal, Postgres and model servers behind a TCP proxy of its own, two bridges and two workers as
processes that it kills and freezes itself, and a producer that keeps an account of every send: acknowledged, refused, or unknown (in
the topic once or not at all). One seed fixes each run's schedule. After the faults heal it waits until nothing is left to do, at most a minute or twice the outage, and then compares:

- the dashboard, the decisions topic (de-duplicated), the lake's Parquet and the reviews with what the records alone say, recomputed in the plainest way: key, features, prediction, outcome, model version;
- the sinks with each other;
- the batches of each partition: their ranges merge into one span, without hole or overlap;
- every committed offset that was seen, twice a second: a batch that was started by then ends there;
- what \`headrace status --verify\` says: every record in one batch, every batch completed;
- the topic with what producers were told.

A run whose faults had no effect, so that it proved nothing, counts as failed. \`npm run faults -- --mutants\` plants bugs in a copy of the sources and expects each to be caught.
A row is run again with \`npm run faults -- --dry --row kill-bridge --seed 61\` (one to three minutes; \`--list\` names all, \`--help\` explains). Which crash happens at which step is
explored more finely, with thousands of schedules, by the simulation in \`test/simulation\`.`;

const unproven = `- Power loss and lost disks: servers are killed, their files survive.
- More than one Temporal node or host; a network that parts brokers from each other (row brokers-cut-off parts them from bridges and workers only).
- Clocks of whole machines that step (rows set that of single processes, inside the process), and disks that fill up under Kafka, Temporal or Postgres.
- Kafka 3.x and other brokers; the lake on S3; Triton itself (its wire protocol is tested elsewhere).
- Outages longer than five minutes, and soaks of hours.`;

/** Writes docs/reliability.md from docs/reliability.json. */
export function writeReport(): void {
  writeFileSync(join(repositoryRoot, 'docs', 'reliability.md'), report(readRuns(), readMutants()));
}

/** The page: what is promised, how it is tested, and what the runs of the commit that was tested last add up to. */
export function report(runs: readonly KeptRun[], planted: readonly KeptMutant[] = []): string {
  const commits = [...new Set(runs.map(({ commit }) => commit))];
  const latest = commits.at(-1);
  const ofLatest = runs.filter(({ commit }) => commit === latest);
  return [
    '# Reliability',
    '',
    'Written from `docs/reliability.json` by `npm run faults -- --report`; please change neither by hand.',
    '',
    '## What is promised',
    '',
    promise,
    '',
    '## How it is tested',
    '',
    method,
    '',
    '## Figures',
    '',
    latest === undefined ? 'There are no runs yet.' : figures(latest, ofLatest),
    '',
    ...(latest === undefined ? [] : ranBefore(latest, runs)),
    ...(commits.length > 1
      ? [
          'Earlier commits:',
          '',
          '| commit | runs | passed | events | faults | lost | duplicated |',
          '| --- | --- | --- | --- | --- | --- | --- |',
          ...commits.slice(0, -1).map((commit) => earlier(commit, runs)),
          '',
          ...earlierFailures(commits, runs),
        ]
      : []),
    ...(planted.length > 0 ? ['## Planted bugs', '', ...mutantFigures(planted), ''] : []),
    '## What is unproven',
    '',
    unproven,
    '',
  ].join('\n');
}

function figures(commit: string, runs: readonly KeptRun[]): string {
  const sum = totals(runs);
  return [
    `Product commit \`${commit.slice(0, 12)}\`: **${number(sum.events)} events, ${number(sum.faults)} faults, lost ${number(sum.lost)}, duplicated ${number(sum.duplicated)}**; ${sum.passed} of ${runs.length} runs passed.`,
    '',
    'Recovery is the time from the end of a fault (or, where nobody heals it, from its beginning) until everything that Kafka held then is committed. Where a bridge dies it includes the session time-out of the consumer group, 10 s here, after which another one takes over. Most rows have run once, with one seed.',
    '',
    '| row | what is done | runs | passed | events | faults | lost | duplicated | recovery p50 / p95 | seeds |',
    '| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |',
    ...rows.flatMap(({ name, about }) =>
      rowFigures(
        name,
        about,
        runs.filter(({ row }) => row === name),
      ),
    ),
    ...runs
      .filter(({ passed }) => !passed)
      .flatMap(({ row, seed, problem }, i) => [
        ...(i === 0 ? ['', 'What went wrong:', ''] : []),
        `- \`${row}\`, seed ${seed}: ${problem ?? 'unknown'}`,
      ]),
  ].join('\n');
}

/** Rows that have not run on the latest commit, with what came of them on the last one that they ran on. */
function ranBefore(latest: string, runs: readonly KeptRun[]): string[] {
  const untested = rows.filter(({ name }) => !runs.some(({ row, commit }) => row === name && commit === latest));
  if (untested.length === 0) return [];
  return [
    'Rows that have not run on this commit, and the last one that they ran on:',
    '',
    '| row | commit | runs | passed | events | faults | lost | duplicated |',
    '| --- | --- | --- | --- | --- | --- | --- | --- |',
    ...untested.map(({ name }) => {
      const ofRow = runs.filter(({ row }) => row === name);
      const commit = ofRow.at(-1)?.commit;
      return commit === undefined ? `| ${name} | never | 0 | | | | | |` : `| ${name} ${earlier(commit, ofRow)}`;
    }),
    '',
  ];
}

function mutantFigures(planted: readonly KeptMutant[]): string[] {
  return [
    `What the comparison is worth: ${planted.filter(({ caught }) => caught !== null).length} of ${planted.length} bugs were caught when \`npm run faults -- --mutants\` planted them.`,
    '',
    '| bug | row | product commit | caught as |',
    '| --- | --- | --- | --- |',
    ...planted.map(
      ({ mutant, row, commit, caught }) =>
        `| ${mutant} | ${row} | \`${commit.slice(0, 12)}\` | ${caught ?? '**not caught**'} |`,
    ),
  ];
}

function rowFigures(name: string, about: string, runs: readonly KeptRun[]): string[] {
  if (runs.length === 0) return [];
  const { events, faults, lost, duplicated, passed } = totals(runs);
  const seconds = runs.flatMap(({ recoverSeconds }) => recoverSeconds);
  const recovery = seconds.length === 0 ? '' : `${quantile(seconds, 0.5)} s / ${quantile(seconds, 0.95)} s`;
  return [
    `| ${name} | ${about} | ${runs.length} | ${passed} | ${number(events)} | ${faults} | ${lost} | ${duplicated} | ${recovery} | ${[...new Set(runs.map(({ seed }) => seed))].join(', ')} |`,
  ];
}

function earlier(commit: string, runs: readonly KeptRun[]): string {
  const own = runs.filter((run) => run.commit === commit);
  const { events, faults, lost, duplicated, passed } = totals(own);
  return `| \`${commit.slice(0, 12)}\` | ${own.length} | ${passed} | ${number(events)} | ${faults} | ${lost} | ${duplicated} |`;
}

/** What went wrong on earlier commits, and whether the row has passed since. */
function earlierFailures(commits: readonly string[], runs: readonly KeptRun[]): string[] {
  const failed = runs.filter(({ passed, commit }) => !passed && commit !== commits.at(-1));
  if (failed.length === 0) return [];
  const since = ({ row, commit }: KeptRun) =>
    runs.filter((run) => run.passed && run.row === row && commits.indexOf(run.commit) > commits.indexOf(commit)).length;
  return [
    'What went wrong there:',
    '',
    ...failed.map(
      (run) =>
        `- \`${run.commit.slice(0, 12)}\`, \`${run.row}\`, seed ${run.seed}: ${run.problem ?? 'unknown'} (the row has passed ${since(run)} times on later commits)`,
    ),
    '',
  ];
}

function totals(runs: readonly KeptRun[]) {
  const add = (of: (run: KeptRun) => number) => runs.reduce((sum, run) => sum + of(run), 0);
  return {
    events: add(({ events }) => events),
    faults: add(({ faults }) => faults),
    lost: add(({ lost }) => lost),
    duplicated: add(({ duplicated }) => duplicated),
    passed: runs.filter(({ passed }) => passed).length,
  };
}

function number(value: number): string {
  return value.toLocaleString('en-US');
}
