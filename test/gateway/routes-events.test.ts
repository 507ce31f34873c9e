import { Kafka, logLevel, type Consumer } from 'kafkajs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { GatewayApp } from '../../gateway/app.ts';
import { createPublisher, type Publisher } from '../../kafka/producer.ts';
import { startLiveServers, uniqueName } from '../stack/live.ts';
import { orderEvent, orders } from './orders.ts';
import { testGateway } from './rig.ts';

describe('POST /v1/pipelines/{name}/events', () => {
  const topic = uniqueName('orders');
  let publisher: Publisher;
  let consumer: Consumer;
  let app: GatewayApp;
  let kafka: Kafka;
  const seen: { key: string; value: string; partition: number }[] = [];

  beforeAll(async () => {
    const live = await startLiveServers({ kafka: true });
    kafka = new Kafka({ brokers: live.kafka.brokers, logLevel: logLevel.NOTHING });
    const admin = kafka.admin();
    await admin.connect();
    await admin.createTopics({ topics: [{ topic, numPartitions: 2 }], waitForLeaders: true, timeout: 30_000 });
    await admin.disconnect();
    publisher = await createPublisher(kafka);
    app = await testGateway({
      pipelines: [
        { ...orders, topic: { name: topic, partitions: 2, chains: 1 } },
        { ...orders, name: 'lost', topic: { name: uniqueName('missing'), partitions: 1, chains: 1 } },
      ],
      publishEvents: (name, messages) => publisher.publish(name, messages),
    });
    consumer = kafka.consumer({ groupId: uniqueName('group') });
    await consumer.connect();
    await consumer.subscribe({ topic, fromBeginning: true });
    await consumer.run({
      eachMessage: async ({ message, partition }) =>
        void seen.push({ key: String(message.key), value: String(message.value), partition }),
    });
  }, 180_000);
  afterAll(async () => {
    await consumer?.disconnect();
    await app?.close();
    await publisher?.close();
  }, 60_000);

  const post = (payload: unknown, { name = 'orders', raw = false } = {}) =>
    app.inject({
      method: 'POST',
      url: `/v1/pipelines/${name}/events`,
      headers: { 'content-type': 'application/json' },
      payload: raw ? String(payload) : JSON.stringify(payload),
    });
  const idsSeen = () => seen.map(({ value }) => (JSON.parse(value) as { orderId: string }).orderId);

  it('answers 202 for one event, and Kafka has it as it was sent, keyed by the first entity', async () => {
    const event = orderEvent('one', { extra: { kept: true }, customer: 'ann' });
    const response = await post(event);
    expect(response.statusCode).toBe(202);
    expect(response.json()).toEqual({ accepted: 1, eventIds: ['one'] });
    await expect
      .poll(() => seen.find(({ value }) => value.includes('"one"')), { timeout: 20_000 })
      .toMatchObject({ key: 'ann', value: JSON.stringify(event) });
  });

  it('takes 500 at once, in their order per key, and concurrent requests too', async () => {
    const batch = (name: string) =>
      Array.from({ length: 500 }, (_, i) => orderEvent(`${name}-${i}`, { customer: name }));
    const responses = await Promise.all(['a', 'b', 'c'].map((name) => post(batch(name))));
    expect(responses.map(({ statusCode }) => statusCode)).toEqual([202, 202, 202]);
    await expect.poll(() => idsSeen().filter((id) => /^[abc]-/.test(id)).length, { timeout: 20_000 }).toBe(1_500);
    for (const name of ['a', 'b', 'c']) {
      expect(idsSeen().filter((id) => id.startsWith(`${name}-`))).toEqual(batch(name).map((event) => event['orderId']));
      expect(new Set(seen.filter(({ key }) => key === name).map(({ partition }) => partition)).size).toBe(1);
    }
  });

  it('takes a request of nearly 1 MiB that one record batch could not carry', async () => {
    const events = Array.from({ length: 10 }, (_, i) => orderEvent(`big-${i}`, { pad: 'x'.repeat(100_000) }));
    expect((await post(events)).statusCode).toBe(202);
    await expect.poll(() => idsSeen().filter((id) => id.startsWith('big-')).length, { timeout: 20_000 }).toBe(10);
  });

  it('refuses all when one is refused, and names each by index with its reason', async () => {
    const proto = '{"orderId":"p","customer":"x","amount":1,"at":"2026-01-02T03:04:05Z","__proto__":{"admin":true}}';
    const deep = `${'['.repeat(40)}${']'.repeat(40)}`;
    const bodies = [
      orderEvent('bad-0'),
      { ...orderEvent('bad-1'), amount: -1 },
      7,
      orderEvent('bad-3', { customer: '' }),
    ].map((event) => JSON.stringify(event));
    const response = await post(`[${[...bodies, proto, deep].join()}]`, { raw: true });
    expect(response.statusCode).toBe(400);
    expect(response.headers['content-type']).toBe('application/problem+json');
    expect(response.json()).toMatchObject({
      type: 'urn:headrace:problem:refused-events',
      status: 400,
      detail: '5 of 6 events are refused, so none was taken',
      instance: '/v1/pipelines/orders/events',
      errors: [
        { index: 1, code: 'SCHEMA_MISMATCH', reason: expect.stringContaining('amount') },
        { index: 2, code: 'SCHEMA_MISMATCH' },
        { index: 3, code: 'BAD_EVENT', reason: expect.stringContaining('entities.customer') },
        { index: 4, code: 'FORBIDDEN_KEY' },
        { index: 5, code: 'TOO_DEEP' },
      ],
    });
    expect((await post(orderEvent('marker'))).statusCode).toBe(202);
    await expect.poll(idsSeen, { timeout: 20_000 }).toContain('marker');
    expect(idsSeen().some((id) => id.startsWith('bad-'))).toBe(false);
    expect(({} as { admin?: boolean }).admin).toBeUndefined();
  });

  it('refuses an event of the day after tomorrow at once', async () => {
    const response = await post(orderEvent('ahead', { at: new Date(Date.now() + 2 * 86_400_000).toISOString() }));
    expect(response.json()).toMatchObject({
      status: 400,
      errors: [
        { index: 0, code: 'EVENT_TOO_FAR_AHEAD', reason: expect.stringContaining('ahead of the clock') as string },
      ],
    });
    expect(
      (await post(orderEvent('tomorrow', { at: new Date(Date.now() + 80_000_000).toISOString() }))).statusCode,
    ).toBe(202);
  });

  it.each([
    ['no JSON', '{"orderId":', 400, 'not-json'],
    ['an empty array', '[]', 400, 'event-count'],
    ['501 events', JSON.stringify(Array.from({ length: 501 }, () => 1)), 400, 'event-count'],
    ['nesting that no stack survives', '['.repeat(400_000) + ']'.repeat(400_000), 400, 'refused-events'],
    ['a body above 1 MiB', JSON.stringify({ pad: 'x'.repeat(1024 * 1024) }), 413, 'too-large'],
    [
      'one event that no broker takes',
      JSON.stringify(orderEvent('huge', { pad: 'x'.repeat(950_000) })),
      400,
      'refused-events',
    ],
  ])('answers a problem to %s', async (_, body, status, kind) => {
    const response = await post(body, { raw: true });
    expect(response.json()).toMatchObject({ status, type: `urn:headrace:problem:${kind}` });
    expect(response.statusCode).toBe(status);
  });

  it('answers a problem to an unknown pipeline, an unknown route, and another content type', async () => {
    expect((await post({}, { name: 'nope' })).json()).toMatchObject({
      status: 404,
      type: 'urn:headrace:problem:unknown-pipeline',
      detail: '"nope" is none of orders, lost',
    });
    expect((await app.inject('/nowhere')).json()).toMatchObject({
      status: 404,
      type: 'urn:headrace:problem:not-found',
    });
    const form = await app.inject({
      method: 'POST',
      url: '/v1/pipelines/orders/events',
      headers: { 'content-type': 'text/csv' },
      payload: 'a,b',
    });
    expect(form.json()).toMatchObject({
      status: 415,
      type: 'urn:headrace:problem:invalid-request',
      detail: expect.stringContaining('content-type: application/json') as string,
    });
  });

  it('answers 503 and asks to send again when Kafka does not confirm', async () => {
    const response = await post(orderEvent('lost'), { name: 'lost' });
    expect(response.statusCode).toBe(503);
    expect(response.headers['retry-after']).toBe('1');
    expect(response.json()).toMatchObject({
      type: 'urn:headrace:problem:kafka-unavailable',
      detail: expect.stringContaining('Send the request again'),
    });
  });

  it('says nothing of the inside of a failure that it did not foresee', async () => {
    const gateway = await testGateway({
      pipelines: [
        {
          ...orders,
          get topic(): never {
            throw new TypeError('secret inside');
          },
        },
      ],
    });
    try {
      const response = await gateway.inject({
        method: 'POST',
        url: '/v1/pipelines/orders/events',
        payload: orderEvent('x'),
      });
      expect(response.statusCode).toBe(500);
      expect(response.body).not.toMatch(/secret|TypeError|\.ts/);
    } finally {
      await gateway.close();
    }
  });
});
