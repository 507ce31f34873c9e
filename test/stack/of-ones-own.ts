import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client, Connection } from '@temporalio/client';
import pg from 'pg';
import { ensureSearchAttributes } from '../../temporal/search-attributes.ts';

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

/** Creates a namespace with our search attributes, waits until it takes queries on them, and returns its name. */
export async function createNamespace(address: string): Promise<string> {
  const namespace = uniqueName('test');
  const connection = await Connection.connect({ address, connectTimeout: 10_000 });
  try {
    await connection.workflowService.registerNamespace({
      namespace,
      workflowExecutionRetentionPeriod: { seconds: 86_400 as never },
    });
    const client = new Client({ connection, namespace });
    for (const deadline = Date.now() + 30_000; ; await sleep(50)) {
      try {
        await ensureSearchAttributes(client);
        return namespace;
      } catch (error) {
        if (Date.now() > deadline) throw error;
      }
    }
  } finally {
    await connection.close();
  }
}
