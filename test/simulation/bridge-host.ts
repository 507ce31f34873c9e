import { Budget } from '../../bridge/budget.ts';
import { Linger } from '../../bridge/linger.ts';
import { OpenBatches } from '../../bridge/open-batches.ts';
import { PipelineBridge } from '../../bridge/pipeline-bridge.ts';
import type { Starter } from '../../temporal/starter.ts';
import type { LedgerEnd } from '../../bridge/ledger-ends.ts';
import type { BridgeReports } from '../../bridge/reports.ts';
import { createTemporalStarter } from '../../temporal/temporal-starter.ts';
import { ScoringLimiter } from '../../bridge/scoring-limiter.ts';
import { messageOf } from '../../contracts/failures.ts';
import { createFakeClient } from './fake-client.ts';
import { sessionTimeoutMs } from './fake-group.ts';
import { FakeSource } from './fake-source.ts';
import { mutateSource, mutateStarter, UnguardedBridge } from './mutants.ts';
import { SimProcess } from './process.ts';
import { topic } from './events.ts';
import type { World } from './world.ts';

/** A place where bridges run, one process after another; as bridge/main.ts puts them together. */
export class BridgeHost {
  #process: SimProcess | undefined;
  #bridge: PipelineBridge | undefined;
  #openBatches: OpenBatches | undefined;
  #sources: FakeSource[] = [];
  #processes = 0;

  constructor(
    private readonly world: World,
    readonly name: string,
  ) {}

  get process(): SimProcess | undefined {
    return this.#process;
  }

  /** Owns a partition, and has not yet found the batches that reach to `end`: it walks to them one by one. */
  isBehind(partition: number, end: number): boolean {
    if (!this.#process || this.#process.isDead || !this.#bridge) return false;
    const doneBelow = this.#bridge.states().find((state) => state.partition === partition)?.doneBelow;
    return doneBelow !== undefined && doneBelow < end;
  }

  get source(): FakeSource | undefined {
    return this.#sources.at(-1);
  }

  /** Starts a bridge, unless one runs. One that cannot start ends, and is started again. */
  start(): void {
    if (this.#process && !this.#process.isDead) return;
    const { scheduler, trace, setting, mutant } = this.world;
    const process = new SimProcess(`bridge-${this.name}${++this.#processes}`, scheduler);
    this.#process = process;
    this.#sources = [];
    trace.tell(() => `${process.name} starts`);
    const openBatches = new OpenBatches(
      process.clock,
      () => this.#countOpen(process),
      setting.openBatchesMax,
      () => {},
    );
    this.#openBatches = openBatches;
    void openBatches.watch();
    const Bridge = mutant.unguarded ? UnguardedBridge : PipelineBridge;
    this.#bridge = new Bridge(
      {
        createSource: () => this.#createSource(process),
        starter: this.#starter(process),
        ledgerEnds: () => this.#ledgerEnds(process),
        newestEpoch: () => Promise.resolve(undefined),
        clock: process.clock,
        budget: new Budget(process.clock, setting.batchesPerSecond, {
          linger: new Linger(process.clock, setting.lingerMs, 1),
          ...(setting.turns ? { turns: new ScoringLimiter(process.clock, 1) } : {}),
        }),
        openBatches,
        reports: this.#reports(process),
        log: { info: () => {}, error: (text) => this.#logged(process, text) },
      },
      {
        topic,
        chains: this.world.chains,
        startAt: setting.startAt,
        caps: { recordsMax: setting.batchRecordsMax, bytesMax: 1_000_000 },
        laneBytesMax: { all: Infinity, each: setting.laneBytesMax },
        startDeadlineMs: Math.floor(sessionTimeoutMs / 6),
      },
    );
    this.#bridge.start().catch((error: unknown) => {
      trace.tell(() => `${process.name} does not start: ${String(error)}`);
      this.kill();
      scheduler.after(1_000, () => this.start());
    });
  }

  /** SIGKILL. */
  kill(): void {
    if (!this.#process || this.#process.isDead) return;
    this.world.trace.tell(() => `${this.#process!.name} is killed`);
    for (const { what } of this.#process.underWay) this.world.trace.count(`killed when ${what}`);
    this.#process.kill();
    for (const source of this.#sources) this.world.group.silent(source);
  }

  /** SIGKILL in the middle of the next step, whichever of its kind it is. */
  killAtStep(what: string): void {
    const process = this.#process;
    if (!process) return;
    process.onStep = (begun) => {
      // In between: neither before it nor when it is over, which is a millisecond away at least.
      if (begun === what) this.world.scheduler.after(0, () => process === this.#process && this.kill());
    };
  }

  /** SIGTERM: the process ends when the bridge has stopped. */
  stop(): void {
    const process = this.#process;
    if (!process?.isUp || !this.#bridge) return;
    this.world.trace.tell(() => `${process.name} is asked to stop`);
    this.#openBatches!.stop();
    void this.#bridge.stop().finally(() => {
      this.world.trace.tell(() => `${process.name} has stopped`);
      this.world.trace.count('clean stop');
      process.kill();
    });
  }

  /** SIGSTOP. */
  freeze(): void {
    if (!this.#process?.isUp) return;
    this.world.trace.tell(() => `${this.#process!.name} is frozen`);
    this.#process.freeze();
    for (const source of this.#sources) this.world.group.silent(source);
  }

  /** SIGCONT. */
  thaw(): void {
    if (!this.#process || this.#process.isUp || this.#process.isDead) return;
    this.world.trace.tell(() => `${this.#process!.name} goes on`);
    this.#process.thaw();
    this.source?.thawed();
  }

  #createSource(process: SimProcess): FakeSource {
    const source = new FakeSource(this.world, process, `${process.name}.${this.#sources.length}`);
    this.#sources.push(source);
    return mutateSource(this.world.mutant, source);
  }

  #starter(process: SimProcess): Starter {
    const starter = createTemporalStarter(createFakeClient(this.world, process), 'queue', process.clock.nowMs);
    return mutateStarter(this.world.mutant, starter, () => this.source!);
  }

  /** Postgres answers, or does not. */
  #ledgerEnds(process: SimProcess): Promise<ReadonlyMap<number, LedgerEnd>> {
    const { random, ledger, oracle, faults, mutant } = this.world;
    const ends = mutant.forgetsRuns || mutant.trustsCommits ? new Map<number, LedgerEnd>() : ledger.ends();
    return new Promise((resolve, reject) => {
      process.after(random.whole(1, 30), () => {
        if (!random.chance(faults.exhausted)) return resolve(ends);
        oracle.withoutLedger();
        reject(new Error('no answer from Postgres'));
      });
    });
  }

  /** Visibility says how many are open, some seconds late. */
  #countOpen(process: SimProcess): Promise<number> {
    const { random, temporal, faults } = this.world;
    const count = temporal.open().length;
    return new Promise((resolve, reject) => {
      process.after(random.whole(1, 1_000), () =>
        temporal.isDown || random.chance(faults.exhausted) ? reject(new Error('no answer')) : resolve(count),
      );
    });
  }

  #reports(process: SimProcess): BridgeReports {
    const { trace, oracle } = this.world;
    return {
      scored: ({ partition }, { position, end }) =>
        trace.tell(() => `${process.name}: partition ${partition} goes on behind [${position}, ${end})`),
      batch: () => trace.count('batch'),
      notTaken: (_, chain, sequence) => {
        trace.count('batch not taken');
        trace.tell(
          () => `${process.name}: number ${sequence} of chain ${chain} does not begin where its partitions are`,
        );
      },
      lane: () => {},
      lost: ({ partition }, { from, to }) => {
        trace.count('retention overtook');
        trace.tell(() => `${process.name}: partition ${partition} lost [${from}, ${to})`);
        oracle.lost.push({ partition, from, to });
      },
      halted: ({ partition }, reason) => {
        trace.tell(() => `${process.name}: partition ${partition} halted: ${reason}`);
        oracle.halted(partition, reason);
        this.world.operator.told(reason);
      },
      waiting: ({ partition }, reason, error) => {
        if (reason === 'open_batches') trace.count('open batches at their limit');
        if (error !== undefined)
          trace.tell(() => `${process.name}: partition ${partition} waits for ${reason}: ${messageOf(error)}`);
      },
      commitFailed: ({ partition }, offset, error) => {
        trace.count('commit failed');
        trace.tell(() => `${process.name}: commit of ${partition}@${offset} failed: ${String(error)}`);
      },
      revoked: () => {},
    };
  }

  #logged(process: SimProcess, text: string): void {
    this.world.trace.tell(() => `${process.name}: ${text}`);
    if (text.includes('has not moved')) this.world.trace.count('silent consumer built anew');
    if (text.startsWith('unexpected')) this.world.oracle.violated('bridge', text);
  }
}
