import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import type { AddressInfo } from 'node:net';
import { promisify } from 'node:util';
import { Client, Connection } from '@temporalio/client';
import { expect, it } from 'vitest';
import { encodeRecords } from '../../contracts/records-frame.ts';
import { createPayloadCodec } from '../../temporal/payload-codec.ts';
import { startLiveServers, uniqueName } from '../stack/live.ts';
import { testGateway } from './rig.ts';

it('lets the temporal command read an encrypted batch', async () => {
  const { temporal } = await startLiveServers({ temporal: true });
  const codec = createPayloadCodec({ key: { id: 'k1', key: randomBytes(32) } });
  const app = await testGateway({ codec });
  const connection = await Connection.connect({ address: temporal.address });
  try {
    await app.listen({ host: '127.0.0.1', port: 0 });
    const client = new Client({ connection, namespace: temporal.namespace, dataConverter: { payloadCodecs: [codec] } });
    const batch = {
      deployment: 'local',
      pipeline: 'orders',
      epoch: 0,
      topic: 'orders',
      layout: 0,
      chain: 0,
      sequence: 0,
      ranges: [{ partition: 0, position: 0, end: 1, count: 1 }],
    };
    const records = encodeRecords(
      batch,
      [{ offset: 0, timestampMs: 0, key: null, value: Buffer.from('{"orderId":"readable-again"}') }],
      0,
    );
    const handle = await client.workflow.start('nobodyRunsThis', {
      taskQueue: uniqueName('queue'),
      workflowId: uniqueName('run'),
      args: [{ secret: 'plain argument' }, records],
    });
    const show = (...more: string[]) =>
      promisify(execFile)(
        temporal.executable,
        [
          'workflow',
          'show',
          '--address',
          temporal.address,
          '--namespace',
          temporal.namespace,
          '--workflow-id',
          handle.workflowId,
          '--output',
          'json',
          ...more,
        ],
        { timeout: 30_000 },
      );
    /** The arguments as the command has them once its codec has been asked. */
    const argumentsIn = (stdout: string) => {
      const { events } = JSON.parse(stdout) as {
        events: { workflowExecutionStartedEventAttributes?: { input: { payloads: { data: string }[] } } }[];
      };
      return events[0]!.workflowExecutionStartedEventAttributes!.input.payloads.map(({ data }) =>
        Buffer.from(data, 'base64').toString(),
      );
    };
    expect(argumentsIn((await show()).stdout).join()).not.toMatch(/plain argument|readable-again/);
    const { port } = app.server.address() as AddressInfo;
    const { stdout } = await show('--codec-endpoint', `http://127.0.0.1:${port}/codec`);
    const [first, second] = argumentsIn(stdout).map((text) => JSON.parse(text) as unknown);
    expect(first).toEqual({ secret: 'plain argument' });
    expect(second).toMatchObject({
      frame: 'records',
      total: 1,
      rows: [{ offset: 0, value: { orderId: 'readable-again' } }],
    });
    await handle.terminate();
  } finally {
    await connection.close();
    await app.close();
  }
}, 120_000);
