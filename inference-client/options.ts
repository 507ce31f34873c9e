/** The options of a client: their meaning, defaults and checks. */
import { InferenceError } from './errors.ts';

export interface TlsOptions {
  /** PEM of the authorities to trust. @default those that Node trusts */
  readonly ca?: Uint8Array | string;
  /** PEM of our certificate, for servers that ask for one; needs `key`. */
  readonly cert?: Uint8Array | string;
  /** PEM of the key of `cert`. */
  readonly key?: Uint8Array | string;
  /** The name to expect in the server's certificate, where it is not the address. */
  readonly serverName?: string;
}

export interface InferenceClientOptions {
  /** `host:port`, or a target of grpc-js such as `dns:///host:port` or `unix:/path`. */
  readonly address: string;
  /** Encrypt. `true`: trust what Node trusts. @default false */
  readonly tls?: TlsOptions | boolean;
  /** Headers of every call; a function is asked for each call, so that tokens can change. */
  readonly metadata?: Readonly<Record<string, string>> | (() => Readonly<Record<string, string>>);
  /** The longest that a call may take, unless it says otherwise. @default 2000 */
  readonly deadlineMs?: number;
  /** The longest that loading or unloading a model may take, unless the call says otherwise. @default 60000 */
  readonly loadDeadlineMs?: number;
  /** Largest message in either direction. @default 67108864 (64 MiB) */
  readonly messageBytesMax?: number;
  /** Deadline hits in a row after which the channel is replaced. @default 3 */
  readonly deadlineHitsMax?: number;
  /** The breaker in front of `infer`, one for each model (see breaker.ts); health and repository calls always reach the server. `false`: none. */
  readonly breaker?:
    | false
    | {
        /** Failures in a row that open it. @default 5 */
        readonly failuresMax?: number;
        /** How long it refuses before it lets a probe through. @default 2000 */
        readonly openMs?: number;
      };
  /** Milliseconds that never go back; for tests. @default performance.now */
  readonly nowMs?: () => number;
}

/** Options with every default filled in. */
export interface ResolvedOptions {
  readonly address: string;
  readonly tls: TlsOptions | undefined;
  readonly metadata: () => Readonly<Record<string, string>>;
  readonly deadlineMs: number;
  readonly loadDeadlineMs: number;
  readonly messageBytesMax: number;
  readonly deadlineHitsMax: number;
  readonly breaker: { readonly failuresMax: number; readonly openMs: number } | undefined;
  readonly nowMs: () => number;
}

const defaults = {
  deadlineMs: 2_000,
  loadDeadlineMs: 60_000,
  messageBytesMax: 64 * 1024 * 1024,
  deadlineHitsMax: 3,
  failuresMax: 5,
  openMs: 2_000,
} as const;

// Node runs a longer timer at once instead of late.
const timerMsMax = 2 ** 31 - 1;

/**
 * Fills in the defaults.
 *
 * @throws InferenceError INVALID_CONFIG naming the option that is wrong
 */
export function resolveOptions(options: InferenceClientOptions): ResolvedOptions {
  const { metadata, breaker } = options;
  return {
    address: checkedAddress(options.address),
    tls: checkedTls(options.tls),
    metadata: typeof metadata === 'function' ? metadata : () => metadata ?? {},
    deadlineMs: checkedDeadlineMs('deadlineMs', options.deadlineMs ?? defaults.deadlineMs),
    loadDeadlineMs: checkedDeadlineMs('loadDeadlineMs', options.loadDeadlineMs ?? defaults.loadDeadlineMs),
    messageBytesMax: checkedCount('messageBytesMax', options.messageBytesMax ?? defaults.messageBytesMax),
    deadlineHitsMax: checkedCount('deadlineHitsMax', options.deadlineHitsMax ?? defaults.deadlineHitsMax),
    breaker:
      breaker === false
        ? undefined
        : {
            failuresMax: checkedCount('breaker.failuresMax', breaker?.failuresMax ?? defaults.failuresMax),
            openMs: checkedCount('breaker.openMs', breaker?.openMs ?? defaults.openMs),
          },
    nowMs: options.nowMs ?? (() => performance.now()),
  };
}

/**
 * A deadline that a timer can keep.
 *
 * @throws InferenceError INVALID_CONFIG
 */
export function checkedDeadlineMs(option: string, value: number): number {
  if (typeof value === 'number' && value > 0 && value <= timerMsMax) return value;
  throw new InferenceError(
    'INVALID_CONFIG',
    `${option} must be a number above 0 and at most ${timerMsMax}, got ${String(value)}`,
  );
}

function checkedCount(option: string, value: number): number {
  if (Number.isSafeInteger(value) && value > 0) return value;
  throw new InferenceError('INVALID_CONFIG', `${option} must be a whole number above 0, got ${String(value)}`);
}

function checkedAddress(address: string): string {
  // grpc-js would take a URL's scheme for a name to resolve, and a missing port for 443: both fail late and far from the cause.
  if (typeof address !== 'string' || address === '')
    throw new InferenceError('INVALID_CONFIG', 'address is empty; it must be host:port');
  if (/^https?:/i.test(address))
    throw new InferenceError(
      'INVALID_CONFIG',
      `address '${address}' is a URL; it must be host:port, and tls says whether to encrypt`,
    );
  if (/^(?:unix|dns|ipv4|ipv6|xds):/i.test(address)) return address;
  const port = /:(\d+)$/.exec(address)?.[1];
  if (port !== undefined && Number(port) >= 1 && Number(port) <= 65_535) return address;
  throw new InferenceError('INVALID_CONFIG', `address '${address}' must be host:port with a port from 1 to 65535`);
}

function checkedTls(tls: InferenceClientOptions['tls']): TlsOptions | undefined {
  if (tls === undefined || tls === false) return undefined;
  if (tls === true) return {};
  if ((tls.cert === undefined) !== (tls.key === undefined))
    throw new InferenceError('INVALID_CONFIG', 'tls.cert and tls.key must be given together');
  return tls;
}
