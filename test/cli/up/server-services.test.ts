import { expect, it, onTestFinished } from 'vitest';
import type { Ports } from '../../../cli/up/addresses.ts';
import { serverServices } from '../../../cli/up/server-services.ts';
import { defaultCacheDir, freePort, preparePostgres } from '../../../stack/servers/index.ts';
import { openDataFolder } from '../../../stack/supervisor/index.ts';
import { occupiedPort } from '../../stack/servers/occupied.ts';
import { temporaryFolder } from '../../stack/servers/trial.ts';

it('moves a server whose port was taken after it was chosen, and after that never again', async () => {
  const folder = openDataFolder(temporaryFolder());
  onTestFinished(() => folder.lock.release());
  const taken = await occupiedPort();
  const ports: Ports = {
    temporal: 1,
    temporalUi: 1,
    kafka: 1,
    postgres: taken,
    modelServer: 1,
    gateway: 1,
    metrics: { worker: 1, bridge: 1, gateway: 1, generator: 1 },
  };
  const notes: string[] = [];
  let databaseUrl = '';
  const [postgres] = serverServices({
    embedded: { temporal: false, kafka: false, postgres: true, modelServer: false },
    folder,
    ports,
    namespace: '',
    uiCodecEndpoint: '',
    modelsDir: '',
    env: process.env,
    programs: { postgres: await preparePostgres({ cacheDir: defaultCacheDir(process.env) }) },
    onDatabaseUrl: (url) => (databaseUrl = url),
    retentionHours: 1,
    onRetention: () => undefined,
    onNotLoaded: () => undefined,
    onNote: (note) => notes.push(note),
  });
  const running = (await postgres!.start(() => undefined))!;
  expect(ports.postgres).not.toBe(taken);
  expect(notes).toEqual([`port ${taken} is taken: Postgres uses ${ports.postgres}`]);
  expect(new URL(databaseUrl).port).toBe(String(ports.postgres));
  await running.stop();

  // Its clients hold the address by now.
  ports.postgres = await occupiedPort();
  await expect(postgres!.start(() => undefined)).rejects.toThrow(
    `postgres cannot start: port ${ports.postgres} is taken`,
  );
  expect(await freePort()).toBeLessThan(32_768);
}, 60_000);
