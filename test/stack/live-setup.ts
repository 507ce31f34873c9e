import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { TestProject } from 'vitest/node';
import { LiveServerPool } from './live-servers.ts';
import type { LiveServerKind } from './live-servers.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** Where test files ask for servers; undefined when this set-up is not configured. */
    headraceLive: string;
  }
}

/**
 * vitest `globalSetup`: owns the servers of one vitest run. Test files run in processes of their own and ask by HTTP, so
 * a run without live tests starts nothing, and each server is started once however many files need it.
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const pool = new LiveServerPool(process.env);
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? '/', 'http://localhost');
    const kind = url.pathname.slice(1) as LiveServerKind;
    pool.get(kind, url.searchParams.get('repository') ?? undefined).then(
      (addresses) => response.end(JSON.stringify(addresses)),
      (error: unknown) => response.writeHead(500).end(error instanceof Error ? error.message : String(error)),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  project.provide('headraceLive', `http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  return async () => {
    server.closeAllConnections();
    server.close();
    await pool.stop();
  };
}
