import { BatchSteps, type Decided, type Extracted } from './batch-steps.ts';
import { deadLetters, sinkNames } from './fake-sinks.ts';
import type { Run } from './fake-temporal.ts';
import { SimProcess } from './process.ts';
import type { World } from './world.ts';

/** How long the server waits for a task before it gives it to another worker. */
const taskTimeoutMs = 10_000;
const workerCount = 2;

interface Worker {
  process: SimProcess;
  steps: BatchSteps;
}

/** The workers of one host, and processBatch as a small model: extract, infer, scored; then every sink, each until it took its rows. */
export class FakeWorkers {
  #workers: Worker[] = [];
  #started = 0;

  constructor(private readonly world: World) {}

  start(): void {
    while (this.#workers.length < workerCount) {
      const process = new SimProcess(`worker-${++this.#started}`, this.world.scheduler);
      this.#workers.push({ process, steps: new BatchSteps(this.world) });
    }
  }

  get processes(): SimProcess[] {
    return this.#workers.map(({ process }) => process);
  }

  kill(process: SimProcess): void {
    process.kill();
    this.#workers = this.#workers.filter((worker) => worker.process !== process);
  }

  /** Gives the first task to a worker. Each further try is a durable one, as after a quick local try that failed. */
  firstTask(run: Run, tries = 0): void {
    const { scheduler, random, trace } = this.world;
    if (run.status !== 'RUNNING' || run.isScored) return;
    const attempt = ++run.attempt;
    const worker = this.#pick();
    if (!worker) return scheduler.after(500, () => this.firstTask(run, tries));
    scheduler.after(taskTimeoutMs, () => {
      if (run.attempt !== attempt || run.isScored) return;
      trace.count('workflow task timed out');
      this.firstTask(run, tries);
    });
    worker.process.after(random.whole(1, 20), () => {
      this.#score(run, attempt, worker, tries).catch((error: unknown) => this.#failed(run, attempt, tries, error));
    });
  }

  #failed(run: Run, attempt: number, tries: number, error: unknown): void {
    const { scheduler, trace } = this.world;
    trace.tell(() => `worker: ${run.runId} fails: ${String(error)}`);
    if (run.attempt !== attempt) return;
    if (tries === 2) {
      trace.count('workflow task in failed state');
      for (const answer of run.waiting.splice(0)) answer(new Error('Workflow Task in failed state'));
    }
    scheduler.after(Math.min(5_000, 200 * 2 ** tries), () => run.attempt === attempt && this.firstTask(run, tries + 1));
  }

  async #score(run: Run, attempt: number, { process, steps }: Worker, tries: number): Promise<void> {
    const { random, trace, faults } = this.world;
    const pause = () => process.clock.sleep(random.whole(1, random.chance(faults.slowStep) ? 8_000 : 20));
    const extracted = run.extracted ?? (await steps.extract(run.batch, run.records, tries === 0));
    await pause();
    // A durable activity's result is recorded by itself.
    if (tries > 0 && isAwaited(run, attempt)) run.extracted = extracted;
    if (random.chance(faults.modelFails)) throw new Error('MODEL_UNAVAILABLE');
    const decided = steps.infer(extracted);
    await pause();
    this.world.scheduler.after(random.whole(1, 10), () => {
      if (!isAwaited(run, attempt)) return trace.count('answer of an old attempt dropped');
      this.#scored(run, extracted, decided);
    });
  }

  #scored(run: Run, extracted: Extracted, decided: Decided): void {
    this.world.temporal.scored(run, extracted, decided);
    this.world.scheduler.after(this.world.random.whole(1, 30), () => this.secondTask(run));
  }

  /** Delivers to every sink that the recorded decisions select. */
  secondTask(run: Run): void {
    if (run.status !== 'RUNNING') return;
    run.secondTaskStarted = true;
    const deliveries = deliveriesOf(run);
    for (const [sink, effects] of deliveries) this.#deliver(run, sink, effects, deliveries.size, 0);
  }

  #deliver(run: Run, sink: string, effects: readonly Effect[], sinks: number, tries: number): void {
    const { scheduler, random, trace, faults } = this.world;
    if (run.status !== 'RUNNING' || run.delivered.has(sink)) return;
    const again = () => this.#deliver(run, sink, effects, sinks, tries + 1);
    const worker = this.#pick();
    if (!worker) return scheduler.after(500, again);
    let isOver = false;
    scheduler.after(taskTimeoutMs, () => !isOver && again());
    worker.process.after(random.whole(1, 20), () => {
      if (this.world.sinks.down.has(sink) || random.chance(faults.sinkFails)) {
        isOver = true;
        trace.count('sink refuses');
        return scheduler.after(Math.min(30_000, 1_000 * 2 ** tries), again);
      }
      for (const { partition, offset, effect } of effects) this.world.sinks.take(sink, partition, offset, effect);
      if (sink === ledger) this.world.ledger.add(run.batch);
      // Had, but not recorded: a worker that dies here, or whose answer is lost, makes it come again.
      if (random.chance(faults.answerLost)) return;
      worker.process.after(random.whole(1, 20), () => {
        isOver = true;
        if (run.status !== 'RUNNING') return;
        run.delivered.add(sink);
        if (run.delivered.size === sinks) this.world.temporal.complete(run);
      });
    });
  }

  /** Any that is not known to be dead: the server does not see that one is frozen. */
  #pick(): Worker | undefined {
    return this.#workers.length > 0 ? this.world.random.pick(this.#workers) : undefined;
  }
}

function isAwaited(run: Run, attempt: number): boolean {
  return run.status === 'RUNNING' && run.attempt === attempt && !run.isScored;
}

interface Effect {
  partition: number;
  offset: number;
  effect: string;
}

/** Takes every batch, also one without rows. */
const ledger = 'ledger';

/** Per sink, the effect of each record that its condition selects. */
function deliveriesOf({ extracted, decided }: Run): Map<string, Effect[]> {
  const deliveries = new Map<string, Effect[]>([[ledger, []]]);
  for (const sink of sinkNames) {
    const rows = decided!.rows.filter(({ outcome }) => sink !== 'review' || outcome === 'review');
    if (rows.length > 0)
      deliveries.set(
        sink,
        rows.map(({ partition, offset, modelVersion, outcome, feature }) => ({
          partition,
          offset,
          effect: `${outcome} by model ${modelVersion}, seen ${feature}`,
        })),
      );
  }
  if (extracted!.rejected.length > 0)
    deliveries.set(
      deadLetters,
      extracted!.rejected.map((place) => ({ ...place, effect: 'rejected' })),
    );
  return deliveries;
}
