import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { describeDiskLimit } from '../../../cli/up/disk-limit.ts';
import { temporaryFolder } from '../../stack/servers/trial.ts';

test('at the disk limit is told what takes the room, what frees some and when, and what to do if that does not', async () => {
  const folder = temporaryFolder();
  for (const [part, bytes] of [
    ['lake', 300_000],
    ['servers/postgres', 400_000],
    ['servers/kafka', 200_000],
    ['features', 1_000],
  ] as const) {
    mkdirSync(join(folder, part), { recursive: true });
    writeFileSync(join(folder, part, 'file'), Buffer.alloc(bytes, 1));
  }
  const limit = { folder, bytes: 901_000, bytesMax: 900_000 };
  const lines = await describeDiskLimit({ ...limit, retentionHours: 1, decisionsHours: 12 });
  expect(lines[0]).toMatch(
    /^DISK LIMIT: \S+ takes 901\.0 KB, more than --disk-max 900\.0 KB \(postgres \S+ KB, lake \S+ KB, kafka \S+ KB\)\.$/,
  );
  expect(lines.slice(1)).toEqual([
    'Nothing is produced until it takes less than 810.0 KB. What is in Kafka is still processed, and what is old is deleted: finished batches and their events after 1 h, decisions after 12 h, reviews never.',
    'If it still takes more 12 h after the last event, that does not change by itself: start with a higher --disk-max, or empty the folder with --reset. With a lower --rate it fills more slowly.',
  ]);
  const kept = (await describeDiskLimit(limit)).join('\n');
  expect(kept).toContain('what is old is deleted: decisions never, reviews never.');
  expect(kept).toContain('If it still takes more then,');
});
