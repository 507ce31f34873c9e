import { existsSync, readdirSync, utimesSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { forgetFiles } from '../../lake/forget.ts';
import { claimLake } from '../../lake/owner.ts';
import { LakeRig } from './lake-rig.ts';

const hourMs = 3_600_000;

/** Makes everything below a folder look as old as that. */
function age(root: string, byMs: number): void {
  const time = new Date(Date.now() - byMs);
  for (const entry of readdirSync(root, { recursive: true })) utimesSync(join(root, String(entry)), time, time);
}

async function openLake(): Promise<LakeRig> {
  const lake = await LakeRig.open();
  onTestFinished(() => lake.close());
  await claimLake(lake.root, 'local');
  return lake;
}
const forget = (lake: LakeRig, keptMs: number, deployment = 'local') =>
  forgetFiles({ root: lake.root, deployment, beforeMs: Date.now() - keptMs });

test('old Parquet files go, later ones and segments stay, and what went does not come back', async () => {
  const lake = await openLake();
  await lake.deliver(0, 3);
  await lake.rollUpAll();
  await lake.deliver(3, 5);
  age(lake.root, 2 * hourMs);
  expect(await forget(lake, hourMs)).toBe(1);
  expect(await lake.visible()).toEqual([]);
  await lake.rollUpAll();
  expect(await lake.visible()).toEqual(['0:3', '0:4']);
  // The same batch once more, as a delivery that was made again brings it.
  await lake.deliver(0, 3);
  await lake.rollUpAll();
  expect(await forget(lake, hourMs)).toBe(0);
  expect(await lake.visible()).toEqual(['0:3', '0:4']);
});

test('a folder goes when it has been empty for a while', async () => {
  const lake = await openLake();
  await lake.deliver(0, 3);
  await lake.rollUpAll();
  const hours = (await lake.files()).map((file) => dirname(join(lake.root, file)));
  expect(hours.length).toBeGreaterThan(0);
  age(lake.root, 2 * hourMs);
  await forget(lake, hourMs);
  expect(hours.filter(existsSync)).toEqual(hours);
  age(lake.root, 2 * hourMs);
  await forget(lake, hourMs);
  expect(hours.filter(existsSync)).toEqual([]);
});

test('a lake of another deployment is left alone, and one that does not exist yet is no failure', async () => {
  const lake = await openLake();
  await lake.deliver(0, 3);
  await lake.rollUpAll();
  age(lake.root, 2 * hourMs);
  await expect(forget(lake, hourMs, 'other')).rejects.toThrow('belongs to deployment "local"');
  expect(await lake.visible()).toHaveLength(3);
  expect(await forgetFiles({ root: join(lake.root, 'none'), deployment: 'local', beforeMs: 0 })).toBe(0);
});
