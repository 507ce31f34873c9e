import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { Connection } from '@temporalio/client';
import pg from 'pg';
import { afterAll, inject } from 'vitest';
import { addSearchAttributes, querySearchAttributes } from '../../stack/servers/index.ts';
import type { SearchAttributeKinds } from '../../stack/servers/index.ts';
import { LiveServerPool } from './live-servers.ts';
import type { LiveAddresses, LiveNeeds, LiveServerKind } from './live-servers.ts';
import './live-setup.ts';

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
export async function startLiveServers<const N extends LiveNeeds>(needs: N): Promise<Pick<LiveAddresses, Extract<keyof N, LiveServerKind>>> {
  const kinds = (Object.keys(needs) as LiveServerKind[]).filter((kind) => needs[kind] !== undefined);
  const entries = await Promise.all(kinds.map(async (kind) => [kind, await ask(kind, kind === 'models' ? needs.models : undefined)]));
  return Object.fromEntries(entries) as Pick<LiveAddresses, Extract<keyof N, LiveServerKind>>;
}

/** A short name that no other test has. */
export function uniqueName(prefix: string): string {
  return `${prefix}-${randomUUID().slice(0, 8)}`;
}

/** Creates an empty database and returns its URL. It goes with the server. */
export async function createDatabase(databaseUrl: string): Promise<string> {
  const name = uniqueName('test');
  const client = new pg.Client({ connectionString: databaseUrl, connectionTimeoutMillis: 5_000 });
  await client.connect();
  try {
    await client.query(`create database ${client.escapeIdentifier(name)}`);
  } finally {
    await client.end();
  }
  const url = new URL(databaseUrl);
  url.pathname = `/${name}`;
  return url.toString();
}

/** Creates a namespace with these search attributes, waits until it takes queries on them, and returns its name. */
export async function createNamespace(address: string, searchAttributes: SearchAttributeKinds = {}): Promise<string> {
  const namespace = uniqueName('test');
  const connection = await Connection.connect({ address, connectTimeout: 10_000 });
  try {
    await connection.workflowService.registerNamespace({ namespace, workflowExecutionRetentionPeriod: { seconds: 86_400 as never } });
    for (const deadline = Date.now() + 30_000; ; await delay(50)) {
      try {
        await addSearchAttributes(connection, namespace, searchAttributes);
        await querySearchAttributes(connection, namespace, searchAttributes);
        return namespace;
      } catch (error) {
        if (Date.now() > deadline) throw error;
      }
    }
  } finally {
    await connection.close();
  }
}
