import { existsSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { fullMessageOf, messageOf } from '../../contracts/failures.ts';
import { parseConfig } from '../../contracts/schemas/config.ts';
import { loadPipelines } from '../../pipelines/load.ts';
import { installQuietQueue } from '../../kafka/quiet-queue.ts';
import { defaultCacheDir } from '@headrace/stack/servers';
import { checkFolder, diskUseBytes, endLeftovers, openDataFolder, StoppedError } from '@headrace/stack/supervisor';
import type { DataFolder } from '@headrace/stack/supervisor';
import { openEvents } from '../events/open-events.ts';
import { choosePorts, embeddedServers } from './addresses.ts';
import { Console } from './console.ts';
import { feedFile } from './feed-file.ts';
import { firstScreen } from './first-screen.ts';
import { formatBytes } from './options.ts';
import type { UpOptions } from './options.ts';
import { commonEnv, makePlan } from './plan.ts';
import type { Plan } from './plan.ts';
import { preparePrograms } from './prepare.ts';
import { describeProgress } from './progress.ts';
import { Refusals } from './refusals.ts';
import { askTerminal, resetData } from './reset.ts';
import { Session } from './session.ts';
import { setUpOwnServers } from './set-up.ts';
import { listenForStop } from './signals.ts';
import type { StopRequests } from './signals.ts';

/** Whoever watches a download wants to see that it goes on. */
const prepareIntervalMs = 5_000;

function standardOutput(): Console {
  return new Console({
    write: (text) => void process.stdout.write(text),
    columns: () => (process.stdout.isTTY ? process.stdout.columns || 80 : undefined),
  });
}

/** Looks whether there are events in the file. A pipe or a device is refused: to look at it would take from it. */
async function checkEventsFile(file: string): Promise<void> {
  try {
    if (existsSync(file) && !statSync(file).isFile() && !statSync(file).isDirectory())
      throw new Error(`${file} cannot be read (it is no file)`);
    (await openEvents(file)).close();
  } catch (error) {
    throw new Error(`--events ${messageOf(error)}`, { cause: error });
  }
}

/** Loads everything that a wrong setting can break, before anything is started. */
async function planRun(
  options: UpOptions,
  env: NodeJS.ProcessEnv,
  folder: DataFolder,
  console: Console,
  stop: StopRequests,
): Promise<Plan> {
  // Before the embedded broker is asked whether it is ready, by a client that is not ours.
  installQuietQueue();
  const config = parseConfig(commonEnv({ options, baseEnv: env, folder }));
  const pipelines = await loadPipelines({ dir: config.pipelinesDir, names: config.pipelines });
  if (options.events !== undefined) {
    await checkEventsFile(options.events);
    if (pipelines.length > 1)
      throw new Error(
        `--events needs to know the pipeline: add --pipeline with one of ${pipelines.map(({ name }) => name).join(', ')}`,
      );
  }
  const embedded = embeddedServers(env);
  await setUpOwnServers({
    env: () => commonEnv({ options, baseEnv: env, folder }),
    pipelines,
    embedded,
    onDone: (text) => console.line(text),
  });
  const programs = await preparePrograms({
    embedded,
    cacheDir: defaultCacheDir(env),
    env,
    signal: stop.signal,
    onProgress: (progress) =>
      console.status(`prepare ${progress.server}`, describeProgress(progress), prepareIntervalMs),
  });
  for (const server of ['temporal', 'kafka', 'postgres']) console.clear(`prepare ${server}`);
  const ports = await choosePorts({
    embedded,
    anyFree: options.freePorts === true,
    gatewayPort: env['HEADRACE_GATEWAY_PORT'] ? config.gateway.port : undefined,
    onReplaced: (use, taken, chosen) => console.line(`port ${taken} is taken: ${use} uses ${chosen}`),
  });
  return makePlan({
    options,
    baseEnv: env,
    folder,
    embedded,
    ports,
    programs,
    pipelines,
    onDone: (text) => console.line(text),
  });
}

/** Feeds the file and tells how it went. */
async function feed(
  options: UpOptions,
  plan: Plan,
  session: Session,
  folder: DataFolder,
  console: Console,
): Promise<void> {
  const { gateway, pipelines } = plan.endpoints([]);
  const file = options.events as string;
  const refusals = new Refusals(console, file, folder.logFile('refused'));
  try {
    const { accepted, refused } = await feedFile({
      file,
      gatewayUrl: gateway.url,
      pipeline: pipelines[0]!.name,
      rate: options.rate,
      signal: session.producing.signal,
      room: () => session.room.wait(session.producing.signal),
      onRefused: ({ line, reason }) => refusals.add(line, reason),
      onProgress: (progress) =>
        console.status('feed', `${file}: ${progress.accepted} events taken, ${progress.refused} refused`),
    });
    console.clear('feed');
    console.line(`${file}: done, ${accepted} events taken, ${refused} refused`);
  } catch (error) {
    console.clear('feed');
    if (!session.producing.signal.aborted) console.line(`${file}: ${fullMessageOf(error)}`);
  }
}

async function tellUp(
  plan: Plan,
  folder: DataFolder,
  options: UpOptions,
  console: Console,
  startedAt: number,
): Promise<void> {
  const bytes = await diskUseBytes(folder.root);
  console.line();
  console.line(
    `Headrace is up after ${((Date.now() - startedAt) / 1_000).toFixed(1)} s. Data: ${folder.root} (${formatBytes(bytes)} of at most ${formatBytes(options.diskMax)})`,
  );
  const facts = {
    retentionHours: plan.retentionHours(),
    decisionsHours: plan.decisionsHours,
    logsDir: `${folder.root}/logs`,
    simulatedRate: plan.simulatedRate,
    eventsFile: options.events,
    dataDir: options.dataDir,
  };
  for (const line of firstScreen(plan.endpoints([]), facts)) console.line(line);
  if (plan.withoutGenerator !== undefined) console.line(`  No generator: ${plan.withoutGenerator}`);
  for (const note of plan.notes()) console.line(`  Beware: ${note}`);
  console.line('Ctrl+C stops everything; the data stays.');
  console.line();
}

/** Runs until a stop is requested (answers 0) or something fails (rejects). Stops what it started, either way. */
async function runSession(
  options: UpOptions,
  plan: Plan,
  folder: DataFolder,
  console: Console,
  stop: StopRequests,
  onSession: (session: Session) => void,
): Promise<void> {
  const startedAt = Date.now();
  const session = new Session({ plan, folder, console, diskBytesMax: options.diskMax });
  onSession(session);
  let feeding: Promise<void> | undefined;
  try {
    const failed = Promise.race([session.supervisor.failed, session.folderLost]);
    await Promise.race([session.start(), stop.requested, failed]);
    if (!stop.signal.aborted) {
      await tellUp(plan, folder, options, console, startedAt);
      if (options.events !== undefined) feeding = feed(options, plan, session, folder, console);
      session.showFigures();
      await Promise.race([stop.requested, failed]);
    }
  } catch (error) {
    if (!(error instanceof StoppedError)) throw error;
  } finally {
    const stoppingAt = Date.now();
    console.clearAll();
    console.line('stopping');
    await session.stop();
    await feeding;
    console.line(
      `stopped in ${((Date.now() - stoppingAt) / 1_000).toFixed(1)} s${session.isFolderLost ? '' : `; data kept in ${folder.root}`}`,
    );
  }
}

/** `headrace up`. Returns the exit code; rejects with one clear sentence. */
export async function runUp(options: UpOptions, env: NodeJS.ProcessEnv): Promise<number> {
  const console = standardOutput();
  let session: Session | undefined;
  const stop = listenForStop(() => {
    session?.supervisor.killAll();
    process.exit(130);
  });
  const folder = openDataFolder(resolve(options.dataDir ?? (env['HEADRACE_DATA_DIR'] || '.headrace/data')));
  try {
    const leftovers = await endLeftovers(folder.runStateFile);
    if (leftovers.length > 0) console.line(`ended what a killed run had left: ${leftovers.join(', ')}`);
    if (options.reset === true) {
      if (!(await resetData(folder, { yes: options.yes === true, ask: askTerminal }))) {
        console.line('nothing was deleted');
        return 1;
      }
      console.line(`emptied ${folder.root}`);
    }
    const { temporal, kafka, postgres } = embeddedServers(env);
    checkFolder(folder.root, [
      ...(temporal ? [] : (['servers/temporal'] as const)),
      ...(kafka ? [] : (['servers/kafka'] as const)),
      ...(postgres ? [] : (['servers/postgres'] as const)),
    ]);
    const plan = await planRun(options, env, folder, console, stop).catch((error: unknown) => {
      if (stop.signal.aborted) return undefined;
      throw error;
    });
    if (plan !== undefined && !stop.signal.aborted) {
      await runSession(options, plan, folder, console, stop, (started) => {
        session = started;
      });
    }
    return 0;
  } finally {
    folder.lock.release();
    stop.dispose();
  }
}
