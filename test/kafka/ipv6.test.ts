import { connect, createServer, type AddressInfo, type Server } from 'node:net';
import { NativeConnection } from '@temporalio/worker';
import { Registry } from 'prom-client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readHostPort } from '../../lib/host-port.ts';
import { parseConfig, type Config } from '../../contracts/schemas/config.ts';
import { createPool } from '../../database/pool.ts';
import { listen } from '../../gateway/listen.ts';
import { mergeMetrics } from '../../gateway/merge-metrics.ts';
import { connectKafka } from '../../kafka/connection.ts';
import { createLogger } from '../../lib/log.ts';
import { startMetricsServer } from '../../process/metrics-server.ts';
import { connectTemporal, nativeConnectionOptions } from '../../temporal/connection.ts';
import { createTritonClient } from '../../scoring/triton-client.ts';
import { testGateway } from '../gateway/rig.ts';
import { linearModels } from '../live/system.ts';
import { startLiveServers } from '../stack/live.ts';

const hasIpv6 = await new Promise<boolean>((resolve) => {
  const server = createServer()
    .once('error', () => resolve(false))
    .listen(0, '::1', () => server.close(() => resolve(true)));
});
if (!hasIpv6) process.stderr.write('skipped: servers at IPv6 addresses. This machine has no ::1\n');

describe.skipIf(!hasIpv6)('servers at an IPv6 address', () => {
  const doors: Server[] = [];
  let config: Config;

  /** A door on ::1 to a server that listens on 127.0.0.1; returns its address. */
  async function door(address: string): Promise<string> {
    const { host, port } = readHostPort(address)!;
    const server = createServer((socket) => {
      const inside = connect(port, host);
      for (const each of [socket, inside]) each.on('error', () => undefined);
      socket.on('close', () => inside.destroy());
      inside.on('close', () => socket.destroy());
      socket.pipe(inside).pipe(socket);
    });
    await new Promise<void>((resolve) => server.listen(0, '::1', resolve));
    doors.push(server);
    return `[::1]:${(server.address() as AddressInfo).port}`;
  }

  beforeAll(async () => {
    const servers = await startLiveServers({ temporal: true, kafka: true, postgres: true, models: linearModels });
    const database = new URL(servers.postgres.databaseUrl);
    config = parseConfig({
      TEMPORAL_ADDRESS: await door(servers.temporal.address),
      KAFKA_BROKERS: await door(servers.kafka.brokers[0]!),
      TRITON_URL: await door(servers.models.address),
      DATABASE_URL: Object.assign(new URL(database), { host: await door(database.host) }).toString(),
    });
  }, 180_000);
  afterAll(() => doors.forEach((server) => server.close()));

  it('answer: Temporal, to client and worker', async () => {
    const client = await connectTemporal(config);
    expect(await client.workflowService.getSystemInfo({})).toBeDefined();
    await client.connection.close();
    const connection = await NativeConnection.connect(nativeConnectionOptions(config));
    await connection.close();
  });

  it('answer: Kafka', async () => {
    const admin = (await connectKafka(config, createLogger('test', 'silent'), 'test')).admin();
    await admin.connect();
    expect((await admin.describeCluster()).brokers).toHaveLength(1);
    await admin.disconnect();
  });

  it('answer: Postgres', async () => {
    const pool = await createPool(config.database.url, { max: 1, applicationName: 'test' });
    expect((await pool.query('select 1 as n')).rows).toEqual([{ n: 1 }]);
    await pool.end();
  });

  it('answer: the model server', async () => {
    const triton = createTritonClient(config);
    expect(await triton.serverReady()).toBe(true);
    await triton.close();
  });

  it('are the gateway and the metrics of our own', async () => {
    const app = await testGateway({});
    const { url } = await listen(app, { host: '::1', port: 0 });
    expect(url).toMatch(/^http:\/\/\[::1\]:\d+$/);
    expect((await fetch(`${url}/healthz`)).status).toBe(200);
    await app.close();
    const metrics = await startMetricsServer(new Registry(), { host: '::1', port: 0 });
    expect(metrics.address).toMatch(/^\[::1\]:\d+$/);
    const missing: string[] = [];
    await mergeMetrics(new Registry(), [metrics.address], (target) => missing.push(target));
    expect(missing).toEqual([]);
    await metrics.close();
  });
});
