import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Registry } from 'prom-client';
import { messageOf } from '../contracts/failures.ts';
import { hostPort } from '../lib/host-port.ts';
import type { PartitionStates } from '../contracts/partition-state.ts';

/**
 * Serves `/metrics` (Prometheus text), `/metrics.json` (for other processes of ours) and `/healthz`; of a process that reads partitions
 * also how these stand, at `/partitions.json`.
 */
export async function startMetricsServer(
  registry: Registry,
  { host, port }: { host: string; port: number },
  partitions?: () => PartitionStates,
): Promise<{ address: string; close(): Promise<void> }> {
  const server = createServer((request, response) => {
    void (async () => {
      try {
        if (request.url === '/metrics') {
          response.setHeader('content-type', registry.contentType).end(await registry.metrics());
        } else if (request.url === '/metrics.json') {
          response.setHeader('content-type', 'application/json').end(JSON.stringify(await registry.getMetricsAsJSON()));
        } else if (request.url === '/partitions.json' && partitions) {
          response.setHeader('content-type', 'application/json').end(JSON.stringify(partitions()));
        } else if (request.url === '/healthz') {
          response.end('ok\n');
        } else {
          response.writeHead(404).end();
        }
      } catch (error) {
        response.writeHead(500).end(messageOf(error));
      }
    })();
  });
  server.requestTimeout = 10_000;
  await listen(server, host, port);
  return {
    address: hostPort(host, (server.address() as AddressInfo).port),
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}

function listen(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error) =>
      reject(
        new Error(
          `cannot listen on ${hostPort(host, port)}; check HEADRACE_METRICS_HOST and HEADRACE_METRICS_PORT (${messageOf(error)})`,
          { cause: error },
        ),
      ),
    );
    server.listen(port, host, resolve);
  });
}
