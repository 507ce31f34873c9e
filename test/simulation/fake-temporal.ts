import { parseBatchId, recordCount, type BatchRef } from '../../contracts/event-key.ts';
import type { BatchMemo, ScoredReply } from '../../contracts/names.ts';
import type { Decided, Extracted } from './batch-steps.ts';
import type { World } from './world.ts';

type RunStatus = 'RUNNING' | 'COMPLETED' | 'TERMINATED';

/** One run, with what its history holds: that alone outlives the workers. */
export interface Run {
  workflowId: string;
  runId: string;
  sequence: number;
  memo: BatchMemo;
  batch: BatchRef;
  records: Uint8Array;
  status: RunStatus;
  /** Recorded results. */
  extracted?: Extracted;
  decided?: Decided;
  /** The update `scored` was answered. */
  isScored: boolean;
  secondTaskStarted: boolean;
  delivered: Set<string>;
  /** The attempt that the server waits for; what others answer is dropped. */
  attempt: number;
  /** When visibility shows it. */
  visibleMs: number;
  /** Updates that were admitted and not answered: they live in the server's memory only. */
  waiting: ((answer: ScoredReply | Error) => void)[];
}

/** What Update-with-Start is asked for. */
export interface UpdateWithStart {
  workflowId: string;
  memo: BatchMemo;
  batch: BatchRef;
  records: Uint8Array;
}

export class AlreadyStarted extends Error {}
export class UpdateNotFound extends Error {}

/** The Temporal server as far as batches see it: starts as compare-and-set, updates, closed runs and their retention, resets. */
export class FakeTemporal {
  /** The runs of each workflow id, the newest last. */
  readonly runs = new Map<string, Run[]>();
  /** Every run that ever was, also those whose retention is over. */
  readonly everStarted: Run[] = [];
  isDown = false;
  /** When the run of a workflow id was taken by retention. */
  readonly #expiredMs = new Map<string, number>();
  #runIds = 0;

  constructor(private readonly world: World) {}

  /** One Update-with-Start with the update id `scored`, reuse REJECT_DUPLICATE and conflict USE_EXISTING. */
  updateWithStart(request: UpdateWithStart, answer: (answer: ScoredReply | Error) => void): void {
    const { trace, oracle, mutant } = this.world;
    const known = this.runs.get(request.workflowId)?.at(-1);
    const startsAnew = known === undefined || (mutant.allowDuplicate === true && known.status !== 'RUNNING');
    const run = startsAnew ? this.#start(request) : known;
    if (startsAnew) {
      oracle.started(run);
      trace.tell(() => `temporal: starts ${run.workflowId} ${toldRanges(run)} as ${run.runId}`);
    } else {
      trace.count('start found a run');
      const more = recordCount(run.memo) - recordCount(request.memo);
      if (more !== 0) trace.count(more < 0 ? 'adopted a shorter batch' : 'adopted a longer batch');
    }
    if (run.isScored) return answer(replyOf(run));
    if (run.status !== 'RUNNING') {
      trace.count('start found a closed run');
      return answer(new AlreadyStarted('Workflow execution already started'));
    }
    run.waiting.push(answer);
  }

  /** Waits for the answer to an update that was asked for before. */
  pollScored(workflowId: string, answer: (answer: ScoredReply | Error) => void): void {
    const run = this.current(workflowId);
    if (run?.isScored) return answer(replyOf(run));
    if (!run || run.waiting.length === 0) return answer(new UpdateNotFound('update not found'));
    this.world.trace.count('polled a run that was not scored');
    run.waiting.push(answer);
  }

  #start({ workflowId, memo, batch, records }: UpdateWithStart): Run {
    const run: Run = {
      workflowId,
      runId: `run-${++this.#runIds}`,
      sequence: parseBatchId(workflowId).sequence,
      memo,
      batch,
      records,
      status: 'RUNNING',
      isScored: false,
      secondTaskStarted: false,
      delivered: new Set(),
      attempt: 0,
      visibleMs: this.world.scheduler.nowMs + this.world.random.whole(0, 2_000),
      waiting: [],
    };
    const runs = this.runs.get(workflowId) ?? [];
    runs.push(run);
    this.runs.set(workflowId, runs);
    this.everStarted.push(run);
    this.world.workers.firstTask(run);
    return run;
  }

  /** The first workflow task is in history: what it computed holds for ever. */
  scored(run: Run, extracted: Extracted, decided: Decided): void {
    run.extracted = extracted;
    run.decided = decided;
    run.isScored = true;
    for (const answer of run.waiting.splice(0)) answer(replyOf(run));
  }

  complete(run: Run): void {
    run.status = 'COMPLETED';
    this.world.trace.tell(() => `temporal: ${run.runId} ${toldRanges(run)} of ${run.workflowId} is complete`);
  }

  terminate(run: Run): void {
    if (run.status !== 'RUNNING') return;
    this.world.trace.count(run.isScored ? 'terminated after scored' : 'terminated before scored');
    this.world.trace.tell(() => `temporal: ${run.runId} of ${run.workflowId} is terminated`);
    run.status = 'TERMINATED';
    run.attempt++;
    for (const answer of run.waiting.splice(0)) answer(new UpdateNotFound('workflow execution already completed'));
  }

  /** `temporal workflow reset`: a new run that keeps what was in history at that point. */
  reset(run: Run, toSecondTask: boolean): void {
    if (run.status === 'RUNNING' || this.runs.get(run.workflowId)?.at(-1) !== run) return;
    this.world.trace.count(toSecondTask ? 'reset to the second task' : 'reset to the first task');
    this.world.trace.tell(
      () => `temporal: resets ${run.runId} of ${run.workflowId} to its ${toSecondTask ? 'second' : 'first'} task`,
    );
    const again: Run = {
      ...run,
      runId: `run-${++this.#runIds}`,
      status: 'RUNNING',
      secondTaskStarted: false,
      delivered: new Set(),
      attempt: 0,
      waiting: [],
    };
    if (!toSecondTask) Object.assign(again, { extracted: undefined, decided: undefined, isScored: false });
    this.runs.get(run.workflowId)!.push(again);
    this.everStarted.push(again);
    if (toSecondTask) this.world.workers.secondTask(again);
    else this.world.workers.firstTask(again);
  }

  /** The namespace's retention takes closed runs. */
  expire(isExpired: (run: Run) => boolean): void {
    for (const [workflowId, runs] of this.runs) {
      const run = runs.at(-1)!;
      if (run.status !== 'COMPLETED' || !isExpired(run)) continue;
      this.world.trace.count('closed run expired');
      this.#noteLeft(run);
      this.world.trace.tell(() => `temporal: retention takes ${workflowId}`);
      this.runs.delete(workflowId);
      this.#expiredMs.set(workflowId, this.world.scheduler.nowMs);
    }
  }

  hasExpiredSince(workflowId: string, ms: number): boolean {
    return (this.#expiredMs.get(workflowId) ?? -Infinity) >= ms;
  }

  /**
   * What an expired run may leave behind: an older run of its chain, which would not tell of it, and a bridge that is frozen, or still walks
   * to where the chain is, and knows neither. A real retention is a thousand times longer than a walk.
   */
  #noteLeft({ batch, memo: { ranges } }: Run): void {
    const { oracle, hosts, trace } = this.world;
    const { layout, chain, sequence } = batch;
    const older = [...this.runs.values()].some(([first]) => {
      const other = first!.batch;
      return other.layout === layout && other.chain === chain && other.sequence < sequence;
    });
    if (older) trace.count('run left over the expiry of a later one');
    const isZombie = hosts.some(({ process }) => process && !process.isUp && !process.isDead);
    for (const { partition, end } of ranges) {
      if (older) oracle.onlyInLedger.add(partition);
      if (isZombie || hosts.some((host) => host.isBehind(partition, end))) oracle.walkedAgain.add(partition);
    }
  }

  current(workflowId: string): Run | undefined {
    return this.runs.get(workflowId)?.at(-1);
  }

  /**
   * What visibility shows of a chain: the newest runs late, but never nothing where there is something: then its oldest run. Retention, which takes the runs
   * before, is a thousand times longer than that delay.
   */
  visible(prefix: string): Run[] {
    const known = [...this.runs.values()]
      .map((runs) => runs.at(-1)!)
      .filter(({ workflowId }) => workflowId.startsWith(prefix));
    const shown = known.filter(({ visibleMs }) => visibleMs <= this.world.scheduler.nowMs);
    return shown.length > 0 ? shown : known.slice(0, 1);
  }

  open(): Run[] {
    return [...this.runs.values()].map((runs) => runs.at(-1)!).filter(({ status }) => status === 'RUNNING');
  }

  /** Runs that closed without completing: what a sweeper finds. */
  closedIncomplete(): Run[] {
    return [...this.runs.values()].map((runs) => runs.at(-1)!).filter(({ status }) => status === 'TERMINATED');
  }
}

function replyOf({ memo: { chains: _, ...reply } }: Run): ScoredReply {
  return reply;
}

function toldRanges({ memo: { ranges } }: Run): string {
  return ranges
    .map(({ partition, position, end, first }) => `${partition}[${position}, ${end})${first ? ' first' : ''}`)
    .join(' ');
}
