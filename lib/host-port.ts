/** Addresses of servers. An IPv6 address stands in brackets wherever a port follows it. */

export interface HostPort {
  /** Without brackets. */
  host: string;
  port: number;
}

const pattern = /^(?:\[([0-9A-Fa-f:.]+(?:%[\w.-]+)?)\]|([^\s:/?#@[\]]+)):(\d{1,5})$/;

/** Reads `host:port`; undefined when it is none, or the port is above 65535. */
export function readHostPort(text: string): HostPort | undefined {
  const [, ipv6, name, portText] = pattern.exec(text) ?? [];
  const host = ipv6 ?? name;
  const port = Number(portText);
  return host === undefined || port > 65_535 ? undefined : { host, port };
}

/** Writes `host:port`. */
export function hostPort(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

/** Where to reach, from this machine, who listens on that host: an address that stands for all of them is none to connect to. */
export function reachableHost(host: string): string {
  if (host === '0.0.0.0' || host === '') return '127.0.0.1';
  return /^[0:]+$/.test(host) ? '::1' : host;
}

/** True for a host, or an address with a port, of this very machine. */
export function isLoopback(address: string): boolean {
  const host = (readHostPort(address)?.host ?? address.replace(/^\[(.*)\]$/, '$1')).toLowerCase();
  return /^(::ffff:)?127\.\d+\.\d+\.\d+$/.test(host) || host === 'localhost' || /^[0:]*:0*1$/.test(host);
}
