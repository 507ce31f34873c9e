/**
 * Proxies that the environment names. What our settings name is reached directly, whatever these variables say: it is on this machine
 * or in the same network, and a proxy that answers in its place looks like a server that is broken.
 */

type Environment = Readonly<Record<string, string | undefined>>;

/** What programs and libraries read a proxy from, in either case. */
const proxyNames = ['grpc_proxy', 'https_proxy', 'http_proxy', 'all_proxy'];
/** The notations of this machine: programs differ in which of them they compare with. */
const ownHosts = ['localhost', '127.0.0.1', '::1', '[::1]'];

/** The proxy variables that are set, as they are written. */
export function proxyVariablesOf(env: Environment): string[] {
  return proxyNames.flatMap((name) => [name, name.toUpperCase()]).filter((name) => env[name]);
}

/**
 * Variables that keep this machine and the given hosts away from the proxies of the environment, for what reads it by itself: Node's
 * `fetch` (with NODE_USE_ENV_PROXY) and the processes that we start. Empty when no proxy is set.
 */
export function directHosts(env: Environment, hosts: readonly string[] = []): Record<string, string> {
  if (proxyVariablesOf(env).length === 0) return {};
  const known = [env['no_proxy'], env['NO_PROXY']].flatMap((list) => (list ?? '').split(/[,\s]+/)).filter(Boolean);
  const list = [...new Set([...known, ...ownHosts, ...hosts])].join(',');
  return { no_proxy: list, NO_PROXY: list };
}

/** Says which variable is not used, for the end of a message about a server that does not answer; '' when none is set. */
export function unusedProxies(proxyVariables: readonly string[], setting?: string): string {
  if (proxyVariables.length === 0) return '';
  return `; ${proxyVariables.join(', ')} ${proxyVariables.length === 1 ? 'is' : 'are'} not used for it${setting === undefined ? '' : `: set ${setting} to go through a proxy`}`;
}
