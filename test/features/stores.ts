import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MemoryStore, openLmdbStore, type FeatureStore } from '../../features/index.ts';

export interface Opened {
  store: FeatureStore;
  /** Closes and opens again, where the store outlives its process. */
  reopen(): Promise<FeatureStore>;
  end(): Promise<void>;
}

export async function openMemory(): Promise<Opened> {
  const store = new MemoryStore();
  return { store, reopen: async () => store, end: () => store.close() };
}

export async function openLmdb(): Promise<Opened> {
  const dataDir = await mkdtemp(join(tmpdir(), 'headrace-features-'));
  const opened: Opened = {
    store: openLmdbStore({ dataDir }),
    async reopen() {
      await opened.store.close();
      opened.store = openLmdbStore({ dataDir });
      return opened.store;
    },
    async end() {
      await opened.store.close();
      await rm(dataDir, { recursive: true });
    },
  };
  return opened;
}

/** Every store, for the tests of what all of them hold to. */
export const stores: [name: string, open: () => Promise<Opened>][] = [
  ['memory', openMemory],
  ['lmdb', openLmdb],
];
