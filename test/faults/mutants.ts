import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** One place of the sources, and what stands there instead. */
interface Change {
  file: string;
  from: string;
  to: string;
}

/** A bug that somebody could write in good faith, and the row that must tell. */
export interface Mutant {
  name: string;
  about: string;
  changes: readonly Change[];
  /** Row that has to fail. */
  row: string;
  /** What the first line of something that the row finds wrong must say: a run that fails for another reason has caught nothing. */
  caughtBy: RegExp;
}

const wrongEffects = /: (lost|twice|not expected)$|recomputed|: (hole|overlap) between/;
const localEnd: Change = {
  file: 'bridge/start-batch.ts',
  from: 'return { cut, reply: answer };',
  to: 'return { cut, reply: { ...answer, ranges: start.ranges, positions: start.positions } };',
};

/** Bugs that the rows have to find. */
export const mutants: readonly Mutant[] = [
  {
    name: 'commit-before-start',
    about: 'the offset is committed before the batch is started',
    row: 'kill-without-temporal',
    caughtBy: /: lost$|before the batch was started|where no batch ends/,
    changes: [
      {
        file: 'bridge/chain.ts',
        from: '      const scored = await startBatch(',
        to: `      const { sequence, ref } = progress;
      const metadata = encodeCommitMetadata({ ...ref, chains: this.options.chains, sequence });
      const early = cutChain(this.#lanes.filled(), this.options.caps)?.ranges ?? [];
      void source.commit(early.map(({ partition, end }) => ({ partition, offset: end, metadata }))).catch(() => undefined);
      const scored = await startBatch(`,
      },
      {
        file: 'bridge/chain.ts',
        from: "import { commitsOf } from './chain-commits.ts';",
        to: "import { commitsOf } from './chain-commits.ts';\nimport { cutChain } from './chain-cut.ts';",
      },
      {
        file: 'bridge/chain.ts',
        from: "import { recordHash } from './commit-metadata.ts';",
        to: "import { encodeCommitMetadata, recordHash } from './commit-metadata.ts';",
      },
    ],
  },
  {
    name: 'allow-duplicate',
    about: 'a position may be started again when its run is closed',
    row: 'group-deleted',
    caughtBy: /were started for records that had been decided/,
    changes: [
      {
        file: 'temporal/temporal-starter.ts',
        from: "workflowIdReusePolicy: 'REJECT_DUPLICATE'",
        to: "workflowIdReusePolicy: 'ALLOW_DUPLICATE'",
      },
      {
        file: 'temporal/temporal-starter.ts',
        from: 'updateId: scoredUpdateName,',
        to: 'updateId: `${scoredUpdateName}-${Math.random()}`,',
      },
    ],
  },
  {
    name: 'adopt-local-end',
    about: 'the lane goes on from the end that it has cut, not from that of the run that exists',
    row: 'kill-both-bridges',
    caughtBy: wrongEffects,
    changes: [localEnd],
  },
  {
    name: 'bare-increments',
    about: 'minutes count deliveries, not decisions',
    row: 'postgres-at-commit',
    caughtBy: /minutes: .* counts/,
    changes: [
      {
        file: 'sinks/dashboard.ts',
        from: 'on conflict (event_key) do nothing',
        to: 'on conflict (event_key) do update set why = excluded.why',
      },
    ],
  },
  {
    name: 'random-object-key',
    about: "a segment's name is not that of its batch alone",
    row: 'kill-worker',
    caughtBy: /lake: .*: (lost|twice)$/,
    changes: [
      {
        file: 'lake/paths.ts',
        from: "padStart(sequenceDigits, '0')}-${startId}.seg`;",
        to: "padStart(sequenceDigits, '0')}-${startId}${Math.floor(Math.random() * 50)}.seg`;",
      },
    ],
  },
  {
    name: 'dead-letter-skipped',
    about: 'refused records are dropped',
    row: 'poison',
    caughtBy: /neither decided nor a dead letter/,
    changes: [
      {
        file: 'activities/dead-letter.ts',
        from: 'await deadLetters.publish(',
        to: 'if (batch.count < 0) await deadLetters.publish(',
      },
    ],
  },
  {
    name: 'from-beginning-false',
    about: 'a partition without a commit begins at its end',
    row: 'partitions-added',
    caughtBy: /: lost$|begins at/,
    changes: [
      {
        file: 'bridge/group-state.ts',
        from: 'return first ?? (await boundsOf(this.#ports.source, partition)).start;',
        to: 'return first ?? (await boundsOf(this.#ports.source, partition)).end;',
      },
    ],
  },
  {
    name: 'no-generation-guard',
    about: 'lanes of an earlier assignment go on, each from its own end',
    row: 'zombie-bridge-15s',
    caughtBy: wrongEffects,
    changes: [
      localEnd,
      {
        file: 'bridge/pipeline-bridge.ts',
        from: 'source: fenced(source, isCurrent)',
        to: 'source: fenced(source, () => isCurrent !== undefined)',
      },
      {
        file: 'bridge/pipeline-bridge.ts',
        from: '    for (const chain of this.#chains) this.#abandon(chain);\n    for (const partition of this.#byPartition.keys())',
        to: '    for (const partition of this.#byPartition.keys())',
      },
    ],
  },
  {
    name: 'signals-not-deduplicated',
    about: 'every verdict counts, the last one most',
    row: 'verdicts',
    caughtBy: /and the first was|label of|decisions in the audit/,
    changes: [
      { file: 'workflows/review.ts', from: '    if (!this.#state.accepted) {', to: '    if (verdict) {' },
      {
        file: 'workflows/review.ts',
        from: 'if (!accepted || (verdict.id !== undefined && verdict.id === accepted.id)) return;',
        to: 'if (verdict || !accepted) return;',
      },
    ],
  },
  {
    name: 'features-reapplied',
    about: 'a batch that comes again is folded again',
    row: 'runs-and-group-deleted',
    caughtBy: /features are|recomputed|y is/,
    changes: [
      {
        file: 'features/store.ts',
        from: "kept?.unsettled.includes(startId))) return 'repeat';",
        to: "kept?.unsettled.includes(startId))) return 'apply';",
      },
      {
        file: 'features/store.ts',
        from: "(markers[i]?.position ?? -1)) ? 'answer' : 'apply';",
        to: "(markers[i]?.position ?? -1)) ? 'apply' : 'apply';",
      },
      {
        file: 'features/fold-batch.ts',
        from: 'begin: marker?.position ?? -Infinity,',
        to: 'begin: -Infinity,',
      },
    ],
  },
  {
    name: 'headers-as-texts',
    about: 'a header without a value is taken for one with a text',
    row: 'odd-records',
    caughtBy: /the backlog is committed|consumers were built anew/,
    changes: [
      {
        file: 'kafka/record.ts',
        from: '  if (storedHeaders) record.headers = storedHeaders;',
        to: '  for (const [, value] of headersIn(storedHeaders)) value!.toString();\n  if (storedHeaders) record.headers = storedHeaders;',
      },
      {
        file: 'kafka/record.ts',
        from: "import { messageOf } from '../contracts/failures.ts';",
        to: "import { messageOf } from '../contracts/failures.ts';\nimport { headersIn } from '../contracts/record-headers.ts';",
      },
    ],
  },
  {
    name: 'headers-copied-for-each',
    about: 'all headers of a record are copied for each further one',
    row: 'odd-records',
    caughtBy: /the backlog is committed|consumers were built anew|Kafka tells what it holds/,
    changes: [
      {
        file: 'kafka/record.ts',
        from: '  if (storedHeaders) record.headers = storedHeaders;',
        to: '  let all: Record<string, unknown> = {};\n  for (const [name, value] of headersIn(storedHeaders)) all = { ...all, [Buffer.from(name).toString()]: value };\n  if (storedHeaders) record.headers = storedHeaders;',
      },
      {
        file: 'kafka/record.ts',
        from: "import { messageOf } from '../contracts/failures.ts';",
        to: "import { messageOf } from '../contracts/failures.ts';\nimport { headersIn } from '../contracts/record-headers.ts';",
      },
    ],
  },
  {
    name: 'any-record-time',
    about: 'a record time is believed whatever it is',
    row: 'odd-records',
    caughtBy: /the backlog is committed/,
    changes: [
      {
        file: 'contracts/record-time.ts',
        from: 'timeMs >= 0 && timeMs <= lastTimeMs;',
        to: 'Math.abs(timeMs) < Infinity;',
      },
    ],
  },
  {
    name: 'drained-into-dead-letters',
    about: 'a topic of another format becomes dead letters',
    row: 'topic-of-another-format',
    caughtBy: /became dead letters before anybody said so/,
    changes: [{ file: 'features/refusals.ts', from: 'if (count >= max) throw', to: 'if (max < 0) throw' }],
  },
  {
    name: 'watermark-runs-away',
    about: 'the watermark follows every event at once',
    row: 'far-ahead',
    caughtBy: /were marked late because others ran ahead/,
    changes: [
      {
        file: 'features/watermark.ts',
        from: 'if (timeMs > this.#ms + this.#leapMs) {',
        to: 'if (timeMs > Infinity) {',
      },
    ],
  },
  {
    name: 'coordinator-not-looked-for',
    about: 'heartbeats go on to a coordinator that is dead',
    row: 'brokers-killed',
    caughtBy: /lost its place in the group|work went on after/,
    changes: [
      {
        file: 'kafka/coordinator-failover.ts',
        from: 'if (!isLost(error) && !isElsewhere(error)) throw error;',
        to: 'if (error) throw error;',
      },
    ],
  },
];

/** The first line of the problem that shows the bug; what follows it are logs, which say all sorts of things. */
export function caughtAs({ caughtBy }: Mutant, problems: readonly string[]): string | undefined {
  return problems.map((problem) => problem.split('\n')[0]!).find((line) => caughtBy.test(line));
}

/** Writes the bug into a copy of the sources. Throws when a place is not there exactly once: the sources have moved, and the mutant must follow. */
export function plant({ name, changes }: Mutant, root: string): void {
  for (const { file, from, to } of changes) {
    const path = join(root, file);
    const text = readFileSync(path, 'utf8');
    const places = text.split(from).length - 1;
    if (places !== 1)
      throw new Error(
        `mutant ${name}: its place in ${file} is there ${places} times; write it anew for the sources of today: ${from}`,
      );
    writeFileSync(
      path,
      text.replace(from, () => to),
    );
  }
}

/**
 * Throws when sources with a bug in them do not type-check, apart from what is unused: the sources have changed, and what fails there is
 * another bug than the one that was meant.
 */
export function assertCompiles({ name }: Mutant, root: string): void {
  const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
  const args = [
    '--noEmit',
    '-p',
    join(root, 'tsconfig.json'),
    '--noUnusedLocals',
    'false',
    '--noUnusedParameters',
    'false',
  ];
  const { status, stdout, stderr } = spawnSync(process.execPath, [tsc, ...args], {
    cwd: root,
    encoding: 'utf8',
    timeout: 300_000,
  });
  if (status !== 0)
    throw new Error(`mutant ${name} does not compile; write it anew for the sources of today:\n${stdout}${stderr}`);
}
