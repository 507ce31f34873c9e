import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { systemConfig } from '../../cli/system-config.ts';
import { writeEndpoints, type Endpoints } from '../../stack/supervisor/endpoints.ts';

const dataDir = mkdtempSync(join(tmpdir(), 'headrace-config-'));
mkdirSync(join(dataDir, 'run'));
afterAll(() => rmSync(dataDir, { recursive: true, force: true }));

describe('systemConfig', () => {
  it('says what to name when nothing runs and nothing is set', () => {
    expect(() => systemConfig(dataDir, {})).toThrow(`no Headrace runs on the data folder ${dataDir}; name another folder with --data-dir, or set TEMPORAL_ADDRESS, KAFKA_BROKERS and DATABASE_URL`);
  });

  it('takes the environment where it says something, else the running system', () => {
    expect(systemConfig(dataDir, { TEMPORAL_ADDRESS: 'temporal:7233', HEADRACE_PIPELINES: 'a,b' })).toMatchObject({ pipelines: ['a', 'b'], config: { deployment: 'local', temporal: { address: 'temporal:7233' } } });
    const running = {
      version: 1, supervisorPid: process.pid, deployment: 'shop', pipelines: [{ name: 'orders', topic: 'orders' }], kafka: { brokers: ['127.0.0.1:4'] },
      temporal: { address: '127.0.0.1:1', namespace: 'n' }, database: { url: 'postgres://a@127.0.0.1:2/b' },
    } as unknown as Endpoints;
    writeEndpoints(join(dataDir, 'run', 'endpoints.json'), running);
    expect(systemConfig(dataDir, { TEMPORAL_NAMESPACE: 'mine' })).toMatchObject({
      pipelines: ['orders'],
      config: { deployment: 'shop', temporal: { address: '127.0.0.1:1', namespace: 'mine' }, kafka: { brokers: ['127.0.0.1:4'] }, database: { url: 'postgres://a@127.0.0.1:2/b' } },
    });
  });
});
