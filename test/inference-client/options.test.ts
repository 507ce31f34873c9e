import { describe, expect, it } from 'vitest';
import { createInferenceClient, type InferenceClientOptions } from '../../inference-client/index.ts';
import { resolveOptions } from '../../inference-client/options.ts';

describe('options', () => {
  it('have the documented defaults', () => {
    const { metadata, nowMs, ...rest } = resolveOptions({ address: 'localhost:8001' });
    expect(rest).toEqual({
      address: 'localhost:8001',
      tls: undefined,
      deadlineMs: 2_000,
      loadDeadlineMs: 60_000,
      messageBytesMax: 67_108_864,
      deadlineHitsMax: 3,
      breaker: { failuresMax: 5, openMs: 2_000 },
    });
    expect(metadata()).toEqual({});
    expect(nowMs()).toBeTypeOf('number');
    expect(resolveOptions({ address: 'h:1', breaker: false }).breaker).toBeUndefined();
  });

  it.each([
    '127.0.0.1:8001',
    '[::1]:8001',
    'triton.svc.cluster.local:8001',
    'dns:///triton:8001',
    'unix:/run/triton.sock',
  ])('take the address %s', (address) => {
    expect(resolveOptions({ address }).address).toBe(address);
  });

  it.each([
    [{ address: '' }, 'address is empty'],
    [{ address: 'triton' }, "address 'triton' must be host:port"],
    [{ address: 'triton:99999' }, 'a port from 1 to 65535'],
    [{ address: 'http://triton:8000' }, "address 'http://triton:8000' is a URL"],
    [{ address: 'h:1', deadlineMs: 0 }, 'deadlineMs must be a number above 0'],
    [{ address: 'h:1', deadlineMs: Number.NaN }, 'deadlineMs'],
    [{ address: 'h:1', deadlineMs: Infinity }, 'deadlineMs'],
    [{ address: 'h:1', loadDeadlineMs: -1 }, 'loadDeadlineMs'],
    [{ address: 'h:1', messageBytesMax: 0.5 }, 'messageBytesMax must be a whole number'],
    [{ address: 'h:1', deadlineHitsMax: 0 }, 'deadlineHitsMax'],
    [{ address: 'h:1', breaker: { failuresMax: 0 } }, 'breaker.failuresMax'],
    [{ address: 'h:1', tls: { cert: 'x' } }, 'tls.cert and tls.key must be given together'],
    [{ address: 'h:1', tls: { cert: 'x', key: 'y' } }, 'tls: '],
  ] as [InferenceClientOptions, string][])('refuse %j', (options, reason) => {
    expect(() => createInferenceClient(options)).toThrow(
      expect.objectContaining({ code: 'INVALID_CONFIG', message: expect.stringContaining(reason) as string }),
    );
  });
});
