import { hostPort, reachableHost } from '../lib/host-port.ts';
import type { GatewayApp } from './app.ts';

/** Listens on the port, or on any free one when it is taken. Returns the base URL; throws one sentence when the host cannot be used. */
export async function listen(
  app: GatewayApp,
  { host, port }: { host: string; port: number },
): Promise<{ url: string; port: number; moved: boolean }> {
  let moved = false;
  try {
    await app.listen({ host, port });
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code !== 'EADDRINUSE')
      throw new Error(
        `cannot listen on ${hostPort(host, port)}; check HEADRACE_GATEWAY_HOST and HEADRACE_GATEWAY_PORT (${message})`,
        { cause: error },
      );
    moved = true;
    await app.listen({ host, port: 0 });
  }
  const address = app.server.address();
  if (typeof address !== 'object' || address === null) throw new Error('the gateway listens on no port');
  return { url: `http://${hostPort(reachableHost(host), address.port)}`, port: address.port, moved };
}
