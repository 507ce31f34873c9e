import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { onTestFinished, vi } from 'vitest';

export interface CountingProxy {
  address: string;
  /** What was asked for, in order: the target of each CONNECT, or the method and address of a plain request. */
  asked: readonly string[];
  /** The credentials that came with it, as they are sent. */
  credentials: readonly (string | undefined)[];
}

/** An HTTP proxy on loopback that notes what it is asked for. It connects whatever it is asked for to `target`, and refuses without one. */
export async function useCountingProxy(target?: string): Promise<CountingProxy> {
  const asked: string[] = [];
  const credentials: (string | undefined)[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((request, response) => {
    asked.push(`${request.method} ${request.url}`);
    response.writeHead(502).end();
  });
  server.on('connection', (socket: Socket) => {
    sockets.add(socket.on('error', () => socket.destroy()));
  });
  server.on('connect', (request: IncomingMessage, socket: Socket) => {
    asked.push(String(request.url));
    credentials.push(request.headers['proxy-authorization']);
    if (target === undefined) return socket.end('HTTP/1.1 502 Bad Gateway\r\n\r\n');
    const [host, port] = target.split(':');
    const onward = connect(Number(port), host, () => {
      socket.write('HTTP/1.1 200 Connection established\r\n\r\n');
      socket.pipe(onward).pipe(socket);
    });
    sockets.add(onward.on('error', () => socket.destroy()));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return { address: `127.0.0.1:${(server.address() as AddressInfo).port}`, asked, credentials };
}

/** Sets every variable that names a proxy, in both cases, and none that excepts a host, until the test ends. */
export function setProxyVariables(proxy: string): void {
  for (const name of ['grpc_proxy', 'https_proxy', 'http_proxy', 'all_proxy']) {
    vi.stubEnv(name, `http://${proxy}`);
    vi.stubEnv(name.toUpperCase(), `http://${proxy}`);
  }
  for (const name of ['no_grpc_proxy', 'no_proxy', 'NO_PROXY']) vi.stubEnv(name, '');
  onTestFinished(() => void vi.unstubAllEnvs());
}
