import { until } from '../live/wait.ts';
import { checkEverything, type Verdict } from './check.ts';
import { Ledger } from './ledger.ts';
import { Load } from './load.ts';
import { Monitor } from './monitor.ts';
import { Random } from './random.ts';
import { RowContext, type Row, type Sometimes } from './row.ts';
import { FaultSystem } from './system/fault-system.ts';
import type { Product } from './system/product.ts';

export interface RunOptions {
  product: Product;
  seed: number;
  /** Events a second while faults go on. */
  rate: number;
  /** Events that a run has at least: what is missing is sent at the end. */
  eventsMin: number;
  /** Environment of this process: says where programs are found. */
  env: NodeJS.ProcessEnv;
  log: (text: string) => void;
  /** Keep the folder with all logs when the row fails. */
  keepFailed?: boolean;
  /** In how many chains the topic is, where the row does not say. */
  chains?: number | undefined;
  /** Fewer rounds, for planted bugs. */
  brief?: boolean;
  /** Told the system as soon as there is one, so that it can be stopped when this process has to end. */
  onSystem?: (system: FaultSystem) => void;
}

/** One run of one row. It passed when nothing is wrong and everything that had to happen did. */
export interface RowResult {
  row: string;
  seed: number;
  commit?: string;
  passed: boolean;
  events: number;
  faults: number;
  lost: number;
  duplicated: number;
  recoverSeconds: number[];
  sometimes: Sometimes[];
  problems: string[];
  seconds: number;
}

const warmUpEvents = 1_000;

/** Runs a row on servers and processes of its own. Rejects only when the harness itself could not start. */
export async function runRow(row: Row, options: RunOptions): Promise<RowResult> {
  const startedMs = Date.now();
  const system = await FaultSystem.start(options.product, { chains: options.chains, ...row.needs }, options.env);
  options.onSystem?.(system);
  const ledger = new Ledger();
  const monitor = new Monitor(system);
  const context = new RowContext(
    system,
    new Load(system, ledger, options.rate),
    monitor,
    new Random(options.seed),
    options.log,
    options.brief,
  );
  let verdict: Verdict = { events: 0, lost: 0, duplicated: 0, problems: [] };
  options.log(`system is up after ${((Date.now() - startedMs) / 1_000).toFixed(1)} s`);
  try {
    verdict = await faultAndCheck(row, context, ledger, options);
  } catch (error) {
    context.problems.push(error instanceof Error ? error.message : String(error));
  }
  for (const { what, count, least } of context.sometimes)
    if (count < least)
      context.problems.push(`the run proves nothing: "${what}" happened ${count} times, and has to ${least} times`);
  const problems = [...context.problems, ...verdict.problems];
  const passed = problems.length === 0;
  await monitor.stop();
  await context.load.stop();
  options.log('compared; stopping');
  const keep = !passed && options.keepFailed === true;
  if (keep) options.log(`everything of the failed run is in ${system.folder}`);
  await system.stop({ keep });
  return {
    row: row.name,
    seed: options.seed,
    commit: options.product.commit,
    passed,
    events: verdict.events,
    faults: context.faults,
    lost: verdict.lost,
    duplicated: verdict.duplicated,
    recoverSeconds: context.recoverMs.map((ms) => Math.round(ms / 100) / 10),
    sometimes: context.sometimes,
    problems,
    seconds: Math.round((Date.now() - startedMs) / 1_000),
  };
}

async function faultAndCheck(
  row: Row,
  context: RowContext,
  ledger: Ledger,
  { eventsMin, log }: RunOptions,
): Promise<Verdict> {
  const { system, load, monitor } = context;
  monitor.start();
  // Without faults first: what fails then is no fault's doing. A burst fills the windows, so that some decisions ask for a review.
  await load.burst(8_000);
  await until(
    'the first decisions',
    () => monitor.lag === 0 && [...monitor.committed.values()].reduce((sum, offset) => sum + offset, 0) >= warmUpEvents,
    { timeoutMs: 90_000, detail: () => system.logs() },
  );
  load.start();
  log(`events flow; ${row.about}`);
  await row
    .run(context)
    .catch((error: unknown) => context.problems.push(error instanceof Error ? error.message : String(error)));
  await system.heal();
  await load.stop();
  if (load.sent < eventsMin) await load.burst(eventsMin - load.sent);
  // What is stuck has broken a promise, and is compared all the same: it may have broken more.
  await context
    .drained()
    .catch((error: unknown) => context.problems.push(error instanceof Error ? error.message : String(error)));
  await monitor.stop();
  log(
    `drained; ${load.sent} events sent (${ledger.count('ok')} acknowledged, ${ledger.count('failed')} refused, ${ledger.count('unknown')} unknown); comparing`,
  );
  context.problems.push(...((await row.verify?.(context)) ?? []));
  return checkEverything(context, ledger, row.check);
}
