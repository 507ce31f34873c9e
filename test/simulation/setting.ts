import type { Random } from './random.ts';

/** How probable it is, each time, that something goes wrong by itself. */
export interface Faults {
  requestLost: number;
  replyLost: number;
  requestSlow: number;
  exhausted: number;
  kafkaFails: number;
  lateCommit: number;
  /** Of the partitions of a commit, each by itself. */
  commitRefused: number;
  storeFails: number;
  modelFails: number;
  sinkFails: number;
  answerLost: number;
  slowStep: number;
}

/** What one schedule runs with; all of it drawn from its seed. */
export interface Setting {
  partitions: number;
  /** In how many chains they are; never more than partitions. */
  chains: number;
  startAt: 'earliest' | 'latest';
  batchRecordsMax: number;
  laneBytesMax: number;
  batchesPerSecond: number;
  /** Whether small batches are scored one after another, as on one machine. */
  turns: boolean;
  lingerMs: 'auto' | number;
  openBatchesMax: number;
  /** Share of records that can never become events. */
  poison: number;
  /** Share of appends that are transactions, with control records and aborted ones. */
  transactions: number;
  /** Records that are written per partition, about. */
  records: number;
  /** How many things happen on purpose. */
  blows: number;
  faults: Faults;
}

const lingers = ['auto', 0, 300] as const;

/** Often none of a kind, sometimes some, seldom many: each schedule has its own troubles. */
function drawFault(random: Random, most: number): number {
  const draw = random.next();
  return draw < 0.5 ? 0 : draw < 0.85 ? most / 5 : most;
}

export function drawSetting(random: Random): Setting {
  const partitions = random.pick([1, 2, 2, 3, 5]);
  const drawn: Omit<Setting, 'turns' | 'lingerMs'> = {
    partitions,
    chains: random.whole(1, Math.min(3, partitions)),
    startAt: random.chance(0.3) ? 'latest' : 'earliest',
    batchRecordsMax: random.whole(1, 6),
    laneBytesMax: random.pick([80, 200, 1_000_000]),
    batchesPerSecond: random.pick([2, 5, 20]),
    openBatchesMax: random.pick([1, 2, 5, 100]),
    poison: random.pick([0, 0.1]),
    transactions: random.pick([0, 0.3]),
    records: Math.max(3, Math.round(random.whole(6, 15) / Math.sqrt(partitions))),
    blows: random.whole(2, 7),
    faults: {
      requestLost: drawFault(random, 0.25),
      replyLost: drawFault(random, 0.25),
      requestSlow: drawFault(random, 0.25),
      exhausted: drawFault(random, 0.3),
      kafkaFails: drawFault(random, 0.2),
      lateCommit: drawFault(random, 0.5),
      commitRefused: drawFault(random, 0.3),
      storeFails: drawFault(random, 0.2),
      modelFails: drawFault(random, 0.2),
      sinkFails: drawFault(random, 0.3),
      answerLost: drawFault(random, 0.2),
      slowStep: drawFault(random, 0.2),
    },
  };
  // Not drawn, so that the seeds of before have the settings of before.
  return { ...drawn, turns: drawn.records % 2 === 0, lingerMs: lingers[drawn.records % lingers.length]! };
}

export const noFaults: Faults = {
  requestLost: 0,
  replyLost: 0,
  requestSlow: 0,
  exhausted: 0,
  kafkaFails: 0,
  lateCommit: 0,
  commitRefused: 0,
  storeFails: 0,
  modelFails: 0,
  sinkFails: 0,
  answerLost: 0,
  slowStep: 0,
};
