import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { choosePort, freePort } from '../../../stack/servers/ports.ts';

async function occupy(host: string): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, host, resolve));
  onTestFinished(() => void server.close());
  return (server.address() as AddressInfo).port;
}

describe('ports', () => {
  it('takes the preferred one when it is free', async () => {
    const preferred = await freePort();
    expect(await choosePort(preferred)).toBe(preferred);
  });

  it.each(['127.0.0.1', '0.0.0.0'])('takes another when %s holds it', async (host) => {
    const taken = await occupy(host);
    const chosen = await choosePort(taken);
    expect(chosen).not.toBe(taken);
    expect(chosen).toBeGreaterThan(1_023);
  });

  it('never hands one out twice', async () => {
    const ports = await Promise.all(Array.from({ length: 30 }, () => freePort()));
    expect(new Set(ports).size).toBe(30);
  });
});
