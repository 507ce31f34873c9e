import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemConfig } from '../../cli/system-config.ts';
import { writeEndpoints, type Endpoints } from '../../stack/supervisor/endpoints.ts';

const dataDir = mkdtempSync(join(tmpdir(), 'headrace-config-'));
mkdirSync(join(dataDir, 'run'));
afterAll(() => rmSync(dataDir, { recursive: true, force: true }));

describe('systemConfig', () => {
  it('says what to name when nothing runs and nothing is set', () => {
    expect(() => systemConfig(dataDir, {})).toThrow(
      `no Headrace runs on the data folder ${dataDir}; name another folder with --data-dir, or set TEMPORAL_ADDRESS, KAFKA_BROKERS and DATABASE_URL`,
    );
  });

  it('takes the environment when nothing runs', () => {
    expect(systemConfig(dataDir, { TEMPORAL_ADDRESS: 'temporal:7233', HEADRACE_PIPELINES: 'a,b' })).toMatchObject({
      pipelines: ['a', 'b'],
      config: { deployment: 'local', temporal: { address: 'temporal:7233' } },
    });
  });

  describe('while a system runs on the data folder', () => {
    beforeAll(() => {
      const running = {
        version: 1,
        supervisorPid: process.pid,
        deployment: 'shop',
        pipelines: [{ name: 'orders', topic: 'orders' }],
        kafka: { brokers: ['127.0.0.1:4', '127.0.0.1:5'] },
        temporal: { address: '127.0.0.1:1', namespace: 'n' },
        database: { url: 'postgres://a@127.0.0.1:2/b' },
        metrics: { worker: 'http://127.0.0.1:6', generator: 'http://127.0.0.1:7' },
        services: [
          { name: 'worker', state: 'ready' },
          { name: 'generator', state: 'finished' },
        ],
      } as unknown as Endpoints;
      writeEndpoints(join(dataDir, 'run', 'endpoints.json'), running);
    });
    const local = {
      temporal: { address: '127.0.0.1:1' },
      kafka: { brokers: ['127.0.0.1:4', '127.0.0.1:5'] },
      database: { url: 'postgres://a@127.0.0.1:2/b' },
    };

    it('takes its servers, and deployment and namespace where the environment says nothing of them', () => {
      expect(systemConfig(dataDir, {})).toMatchObject({
        pipelines: ['orders'],
        topics: [{ name: 'orders', topic: 'orders' }],
        config: { ...local, deployment: 'shop', temporal: { address: '127.0.0.1:1', namespace: 'n' } },
      });
      // A generator that is done need not answer.
      expect(systemConfig(dataDir, {}).targets).toEqual({ worker: 'http://127.0.0.1:6' });
      expect(systemConfig(dataDir, { TEMPORAL_NAMESPACE: 'mine', HEADRACE_DEPLOYMENT: 'other' })).toMatchObject({
        config: { ...local, deployment: 'other', temporal: { namespace: 'mine' } },
      });
    });

    it.each<Record<string, string>>([
      { TEMPORAL_ADDRESS: '127.0.0.1:1' },
      { KAFKA_BROKERS: '127.0.0.1:5,127.0.0.1:4' },
      { DATABASE_URL: 'postgres://a@127.0.0.1:2/b' },
    ])('is meant when the environment names its servers: %j', (env) => {
      expect(systemConfig(dataDir, env)).toMatchObject({
        pipelines: ['orders'],
        config: { ...local, deployment: 'shop', temporal: { namespace: 'n' } },
      });
    });

    const other = { TEMPORAL_ADDRESS: 'temporal:7233', KAFKA_BROKERS: 'kafka:9092', DATABASE_URL: 'postgres://a@db/b' };
    it('gives nothing to another system', () => {
      expect(systemConfig(dataDir, { ...other, HEADRACE_PIPELINES: 'a' })).toMatchObject({
        pipelines: ['a'],
        config: {
          deployment: 'local',
          temporal: { address: 'temporal:7233', namespace: 'headrace' },
          kafka: { brokers: ['kafka:9092'] },
          database: { url: 'postgres://a@db/b' },
        },
      });
    });

    it.each([
      [
        { TEMPORAL_ADDRESS: other.TEMPORAL_ADDRESS },
        'TEMPORAL_ADDRESS names a server of another system',
        'set KAFKA_BROKERS and DATABASE_URL too, or unset TEMPORAL_ADDRESS',
      ],
      [
        { DATABASE_URL: other.DATABASE_URL, KAFKA_BROKERS: '127.0.0.1:4,127.0.0.1:5' },
        'DATABASE_URL names a server',
        'set TEMPORAL_ADDRESS too, or unset DATABASE_URL',
      ],
      [
        { DATABASE_URL: other.DATABASE_URL, KAFKA_BROKERS: other.KAFKA_BROKERS },
        'KAFKA_BROKERS and DATABASE_URL name servers',
        'set TEMPORAL_ADDRESS too, or unset KAFKA_BROKERS and DATABASE_URL',
      ],
    ])('refuses some of both: %j', (env, what, fix) => {
      expect(() => systemConfig(dataDir, env)).toThrow(what);
      expect(() => systemConfig(dataDir, env)).toThrow(fix);
    });
  });
});
