import { connect, isIP } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { ISocketFactory } from 'kafkajs';
import { hostPort, readHostPort } from '../lib/host-port.ts';

/** Marks a name that is an IPv6 address with dashes for its colons. No host has such a name: the top-level domain is reserved. */
const suffix = '.ipv6.invalid';

/** An address as kafkajs can take it for a bootstrap broker: it splits at the first colon. */
export function bootstrapBroker(address: string): string {
  const { host, port } = readHostPort(address) ?? { host: address, port: undefined };
  return port !== undefined && host.includes(':') ? `${host.replaceAll(':', '-')}${suffix}:${port}` : address;
}

function hostOf(name: string): string {
  return name.endsWith(suffix) ? name.slice(0, -suffix.length).replaceAll('-', ':') : name;
}

/** The address of a broker as kafkajs names it in an error: our name for an IPv6 address, or one without brackets. */
export function brokerAddress(named: string): string {
  const colon = named.lastIndexOf(':');
  return hostPort(hostOf(named.slice(0, colon)).replace(/^\[|\]$/g, ''), Number(named.slice(colon + 1)));
}

const keepAliveMs = 60_000;

/** As kafkajs makes its sockets, and to IPv6 addresses, too. */
export const kafkaSocket: ISocketFactory = ({ host: name, port, ssl, onConnect }) => {
  const host = hostOf(name);
  const socket = ssl
    ? connectTls({ host, port, ...(isIP(host) ? {} : { servername: host }), ...ssl }, onConnect)
    : connect({ host, port }, onConnect);
  return socket.setKeepAlive(true, keepAliveMs);
};
