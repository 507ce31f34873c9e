import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  BrokenSegmentError,
  decodeSegmentFile,
  encodeSegmentFile,
  readSegmentHead,
  type SegmentHead,
} from '../../lake/segment-file.ts';

const head: SegmentHead = {
  ranges: [
    { partition: 0, position: 0, end: 7, first: true },
    { partition: 12, position: 2 ** 40, end: 2 ** 40 + 1 },
  ],
};
const body = Buffer.from('the rows of a batch');

describe('segment file', () => {
  let folder: string;
  let path: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'headrace-segment-'));
    path = join(folder, 'a.seg');
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  it('gives back what was written', () => {
    expect(decodeSegmentFile(encodeSegmentFile(head, body))).toEqual({ head, body });
  });

  it('tells its ranges by its head alone, also when there are very many', async () => {
    const many = { ranges: Array.from({ length: 2_000 }, (_, partition) => ({ partition, position: 5, end: 9 })) };
    for (const each of [head, many]) {
      const bytes = encodeSegmentFile(each, body);
      await writeFile(path, bytes);
      expect(await readSegmentHead(path)).toEqual(each);
      await writeFile(path, bytes.subarray(0, -body.length));
      expect(await readSegmentHead(path), 'without its body').toEqual(each);
    }
  });

  it('notices every byte that is changed, and every cut', async () => {
    const whole = encodeSegmentFile(head, body);
    const headEnd = whole.length - body.length;
    for (let i = 0; i < whole.length; i++) {
      const changed = Buffer.from(whole);
      changed[i]! ^= 1;
      expect(() => decodeSegmentFile(changed), `byte ${i}`).toThrow(BrokenSegmentError);
      expect(() => decodeSegmentFile(whole.subarray(0, i)), `cut at ${i}`).toThrow(BrokenSegmentError);
      // The checksum of the body says nothing of the head.
      if (i >= headEnd || (i >= 12 && i < 16)) continue;
      await writeFile(path, changed);
      await expect(readSegmentHead(path), `byte ${i}`).rejects.toThrow(/a\.seg .*redrive --again/);
      await writeFile(path, whole.subarray(0, i));
      await expect(readSegmentHead(path), `cut at ${i}`).rejects.toBeInstanceOf(BrokenSegmentError);
    }
  });
});
