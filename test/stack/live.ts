import { afterAll, inject } from 'vitest';
import { LiveServerPool } from './live-servers.ts';
import type { LiveAddresses, LiveNeeds, LiveServerKind } from './live-servers.ts';
import './live-setup.ts';

export { createDatabase, createNamespace, uniqueName } from './of-ones-own.ts';

let ownPool: LiveServerPool | undefined;

/** Without the global set-up each test file has servers of its own, stopped when it ends. */
function poolOfThisFile(): LiveServerPool {
  ownPool ??= new LiveServerPool(process.env);
  return ownPool;
}
afterAll(() => ownPool?.stop(), 60_000);

async function ask<K extends LiveServerKind>(kind: K, repository: string | undefined): Promise<LiveAddresses[K]> {
  const host = inject('headraceLive') as string | undefined;
  if (host === undefined) return poolOfThisFile().get(kind, repository);
  const query = repository === undefined ? '' : `?repository=${encodeURIComponent(repository)}`;
  const response = await fetch(`${host}/${kind}${query}`, { signal: AbortSignal.timeout(20 * 60_000) });
  const text = await response.text();
  if (!response.ok) throw new Error(`no live ${kind}: ${text}`);
  return JSON.parse(text) as LiveAddresses[K];
}

/**
 * Addresses of real servers, shared by all test files of a vitest run. Call it at the top of a file or in `beforeAll`
 * (with a time-out of a minute or more: the first call starts the servers). Take a topic, database, namespace and task
 * queue of your own; never stop or fault these servers (start one of your own from stack/servers for that).
 */
export async function startLiveServers<const N extends LiveNeeds>(
  needs: N,
): Promise<Pick<LiveAddresses, Extract<keyof N, LiveServerKind>>> {
  const kinds = (Object.keys(needs) as LiveServerKind[]).filter((kind) => needs[kind] !== undefined);
  const entries = await Promise.all(
    kinds.map(async (kind) => [kind, await ask(kind, kind === 'models' ? needs.models : undefined)]),
  );
  return Object.fromEntries(entries) as Pick<LiveAddresses, Extract<keyof N, LiveServerKind>>;
}
