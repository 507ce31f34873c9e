import { describe, expect, it } from 'vitest';
import { hostPort, reachableHost, readHostPort } from '../../lib/host-port.ts';
import { isLoopback, parseConfig } from '../../contracts/schemas/config.ts';

describe('addresses', () => {
  it.each([
    ['kafka:9092', { host: 'kafka', port: 9092 }],
    ['10.0.0.7:1', { host: '10.0.0.7', port: 1 }],
    ['[::1]:7233', { host: '::1', port: 7233 }],
    ['[fe80::1%eth0]:7233', { host: 'fe80::1%eth0', port: 7233 }],
    ['[2001:db8::ffff:10.0.0.1]:65535', { host: '2001:db8::ffff:10.0.0.1', port: 65_535 }],
  ])('are read: %s', (text, expected) => expect(readHostPort(text)).toEqual(expected));

  it.each([
    'kafka',
    'kafka:',
    ':9092',
    '::1:7233',
    '[::1]',
    '[kafka]:9092',
    'kafka:65536',
    'http://kafka:9092',
    'ann@kafka:9092',
    'a b:1',
  ])('are none: %s', (text) => {
    expect(readHostPort(text)).toBeUndefined();
  });

  it('are written as they are read, and name what can be reached', () => {
    expect([hostPort('::1', 80), hostPort('kafka', 80)]).toEqual(['[::1]:80', 'kafka:80']);
    expect(['0.0.0.0', '::', '0:0:0:0:0:0:0:0', '::1', 'host'].map(reachableHost)).toEqual([
      '127.0.0.1',
      '::1',
      '::1',
      '::1',
      'host',
    ]);
  });

  it('are this machine, or another', () => {
    for (const own of [
      '127.0.0.1:1',
      '127.8.9.1',
      'localhost:1',
      'LOCALHOST:1',
      '[::1]:1',
      '::1',
      '[0:0:0:0:0:0:0:1]:1',
      '[::ffff:127.0.0.1]:1',
    ])
      expect(isLoopback(own), own).toBe(true);
    for (const other of [
      'kafka:1',
      '[::2]:1',
      '[2001:db8::1]:1',
      '128.0.0.1:1',
      'localhost.example:1',
      '127.0.0.1.example:1',
    ])
      expect(isLoopback(other), other).toBe(false);
  });
});

describe('the settings', () => {
  it('take IPv6 addresses in brackets everywhere', () => {
    const config = parseConfig({
      TEMPORAL_ADDRESS: '[::1]:7233',
      TEMPORAL_UI_URL: 'http://[::1]:8233',
      KAFKA_BROKERS: '[::1]:9092, kafka:9092',
      TRITON_URL: 'grpc://[::1]:8001',
      DATABASE_URL: 'postgres://ann@[::1]:5432/shop',
      HEADRACE_GATEWAY_HOST: '[::]',
      HEADRACE_METRICS_HOST: '::1',
      HEADRACE_METRICS_TARGETS: '[::1]:9464',
    });
    expect(config).toMatchObject({
      gateway: { host: '::' },
      metrics: { host: '::1', targets: ['[::1]:9464'] },
      kafka: { brokers: ['[::1]:9092', 'kafka:9092'] },
    });
  });

  it.each([
    { TEMPORAL_ADDRESS: '::1:7233' },
    { KAFKA_BROKERS: 'kafka:9092,::1:9092' },
    { TRITON_URL: '::1:8001' },
    { TRITON_URL: 'http://triton:8001' },
    { HEADRACE_METRICS_TARGETS: 'worker' },
    { TEMPORAL_UI_URL: 'localhost:8233' },
    { LAKE_URL: 'file:///lake#1' },
    { LAKE_URL: 'file:///lake?' },
    { LAKE_URL: 'file://host/lake' },
    { LAKE_URL: '/lake' },
    { LAKE_URL: 's3://lake' },
  ])('say what is wrong with %o', (env) => {
    const [name] = Object.keys(env);
    expect(() => parseConfig(env)).toThrow(new RegExp(`${name}: (each )?must look like `));
  });

  it('take a lake whose folder has blanks and signs in its name', () => {
    expect(parseConfig({ LAKE_URL: 'file:///my%20lake%231/ü' }).lake.url).toBe('file:///my%20lake%231/ü');
  });

  it('make the deployment a part of the task queue, unless another is named', () => {
    expect(parseConfig({}).temporal.taskQueue).toBe('headrace-local');
    expect(parseConfig({ HEADRACE_DEPLOYMENT: 'shop' }).temporal.taskQueue).toBe('headrace-shop');
    expect(parseConfig({ HEADRACE_DEPLOYMENT: 'shop', HEADRACE_TASK_QUEUE: 'mine' }).temporal.taskQueue).toBe('mine');
  });
});
