import { Kafka, logLevel } from 'kafkajs';
import { Client, Connection } from '@temporalio/client';
import pg from 'pg';
import { beforeAll, describe, expect, it } from 'vitest';
import { createDatabase, createNamespace, startLiveServers, uniqueName } from './live.ts';

describe('live servers', () => {
  let live: Awaited<ReturnType<typeof start>>;
  const start = () => startLiveServers({ temporal: true, kafka: true, postgres: true });
  beforeAll(async () => {
    live = await start();
  }, 300_000);

  it('are started once, however often they are asked for', async () => {
    expect(await start()).toEqual(live);
  });

  it('give a namespace that takes workflows with its search attributes at once', async () => {
    const namespace = await createNamespace(live.temporal.address);
    const connection = await Connection.connect({ address: live.temporal.address });
    try {
      const client = new Client({ connection, namespace });
      const handle = await client.workflow.start('nobodyRunsThis', {
        taskQueue: uniqueName('queue'),
        workflowId: uniqueName('run'),
        searchAttributes: { HeadracePipeline: ['fraud'], HeadraceEventCount: [3] },
      });
      expect((await handle.describe()).searchAttributes).toMatchObject({
        HeadracePipeline: ['fraud'],
        HeadraceEventCount: [3],
      });
      await handle.terminate();
    } finally {
      await connection.close();
    }
  });

  it('give a database that takes tables', async () => {
    const client = new pg.Client({ connectionString: await createDatabase(live.postgres.databaseUrl) });
    await client.connect();
    try {
      await client.query('create table t (n int)');
      await client.query('insert into t values (7)');
      expect((await client.query('select n from t')).rows).toEqual([{ n: 7 }]);
    } finally {
      await client.end();
    }
  });

  it('give a broker that takes records', async () => {
    const kafka = new Kafka({ brokers: live.kafka.brokers, logLevel: logLevel.NOTHING });
    const admin = kafka.admin();
    const producer = kafka.producer();
    const topic = uniqueName('topic');
    await admin.connect();
    await producer.connect();
    try {
      await admin.createTopics({ topics: [{ topic, numPartitions: 2 }], waitForLeaders: true });
      await producer.send({
        topic,
        acks: -1,
        messages: [
          { partition: 1, value: 'a' },
          { partition: 1, value: 'b' },
        ],
      });
      const offsets = await admin.fetchTopicOffsets(topic);
      expect(offsets.find((offset) => offset.partition === 1)?.high).toBe('2');
    } finally {
      await producer.disconnect();
      await admin.disconnect();
    }
  });
});
