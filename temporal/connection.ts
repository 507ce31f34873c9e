import { fileURLToPath } from 'node:url';
import { Client, Connection } from '@temporalio/client';
import type { DataConverter } from '@temporalio/common';
import type { NativeConnectionOptions as NativeOptions } from '@temporalio/worker';
import { messageOf } from '../contracts/failures.ts';
import { unusedProxies } from '../lib/proxies.ts';
import { isLoopback, type Config } from '../contracts/schemas/config.ts';
import { boundHandshake } from './grpc-handshake.ts';
import { createPayloadCodec, parseCodecKey } from './payload-codec.ts';
import { readCertificates, readKeyPair } from '../lib/pem-file.ts';
import { wrongPeer } from '../lib/who-answers.ts';

export type { Client } from '@temporalio/client';

const connectTimeoutMs = 10_000;
const handshakeTimeoutMs = 4_000;

/** Compresses what goes into histories; with a key, encrypts it too, failures included. */
export function dataConverter(codec: Config['codec']): DataConverter {
  const key = codec.key ? parseCodecKey(codec.key) : undefined;
  return {
    payloadCodecs: [createPayloadCodec({ key, oldKeys: codec.oldKeys?.map(parseCodecKey) })],
    ...(key ? { failureConverterPath: fileURLToPath(new URL('./failure-converter.ts', import.meta.url)) } : {}),
  };
}

/** TLS and API key, in the form that both the client's and the worker's connection take. */
function commonOptions({ temporal }: Config) {
  const tls =
    temporal.tls ||
    temporal.apiKey !== undefined ||
    temporal.tlsCertFile !== undefined ||
    temporal.tlsCaFile !== undefined;
  return {
    address: temporal.address,
    apiKey: temporal.apiKey,
    tls: tls && {
      serverRootCACertificate: temporal.tlsCaFile
        ? Buffer.from(readCertificates({ env: 'TEMPORAL_TLS_SERVER_CA_CERT_PATH', path: temporal.tlsCaFile }))
        : undefined,
      clientCertPair:
        temporal.tlsCertFile && temporal.tlsKeyFile
          ? clientCertificate(temporal.tlsCertFile, temporal.tlsKeyFile)
          : undefined,
    },
  };
}

function clientCertificate(certFile: string, keyFile: string) {
  const { cert, key } = readKeyPair(
    { env: 'TEMPORAL_TLS_CLIENT_CERT_PATH', path: certFile },
    { env: 'TEMPORAL_TLS_CLIENT_KEY_PATH', path: keyFile },
  );
  return { crt: Buffer.from(cert), key: Buffer.from(key) };
}

interface Proxy {
  /** host:port */
  address: string;
  credentials?: { username: string; password: string };
}

/** The proxy that was asked for; a server of this machine is reached directly all the same. */
function proxyOf({ temporal }: Config): Proxy | undefined {
  if (!temporal.proxy || isLoopback(temporal.address)) return undefined;
  const { hostname, port, username, password } = new URL(temporal.proxy);
  // URL leaves the scheme's own port out.
  const address = `${hostname}:${port || '80'}`;
  return username
    ? { address, credentials: { username: decodeURIComponent(username), password: decodeURIComponent(password) } }
    : { address };
}

/** Options of the worker's connection, whose native part reads no proxy from the environment. */
export function nativeConnectionOptions(config: Config): NativeOptions {
  const proxy = proxyOf(config);
  return {
    ...commonOptions(config),
    grpcCompression: { codec: isLoopback(config.temporal.address) ? 'none' : 'gzip' },
    proxy: proxy && { type: 'http-connect', targetHost: proxy.address, basicAuth: proxy.credentials },
  };
}

const channelArgs = {
  // The default grows to two minutes: a server that was away that long would be missed for as long again.
  'grpc.max_reconnect_backoff_ms': 5_000,
  // The global pool would share a connection with clients whose handshake is not bounded.
  'grpc.use_local_subchannel_pool': 1,
  // Variables such as http_proxy would send even a server of this machine's through a proxy.
  'grpc.enable_http_proxy': 0,
};

/** Options of a client's connection. With a proxy, that is whom the channel connects to, and the server is whom it asks it for. */
export function clientConnectionOptions(config: Config) {
  const common = commonOptions(config);
  const proxy = proxyOf(config);
  if (proxy === undefined) return { ...common, channelArgs };
  return {
    ...common,
    address: proxy.address,
    channelArgs: {
      ...channelArgs,
      'grpc.http_connect_target': `dns:${common.address}`,
      'grpc.default_authority': common.address,
      ...(proxy.credentials && {
        'grpc.http_connect_creds': `${proxy.credentials.username}:${proxy.credentials.password}`,
      }),
    },
  };
}

/** Connects a Temporal client; says which setting to look at when that fails. */
export async function connectTemporal(config: Config): Promise<Client> {
  const options = clientConnectionOptions(config);
  try {
    const connection = Connection.lazy({ ...options, connectTimeout: connectTimeoutMs });
    boundHandshake(connection.options.credentials, handshakeTimeoutMs);
    await connection.ensureConnected();
    return new Client({ connection, namespace: config.temporal.namespace, dataConverter: dataConverter(config.codec) });
  } catch (error) {
    throw new Error(await explain(config, error), { cause: error });
  }
}

async function explain(config: Config, error: unknown): Promise<string> {
  const { address } = config.temporal;
  const proxy = proxyOf(config);
  if (proxy)
    return `no Temporal server answers at ${address} through the proxy ${proxy.address}; check TEMPORAL_ADDRESS and TEMPORAL_PROXY (${messageOf(error)})`;
  const tls = Boolean(commonOptions(config).tls);
  const wrong = await wrongPeer(address, {
    service: 'Temporal',
    port: 'usually 7233, and 8233 is its Web UI',
    tls,
    tlsSetting: 'TEMPORAL_TLS',
  });
  const proxies = isLoopback(address) ? '' : unusedProxies(config.proxyVariables, 'TEMPORAL_PROXY');
  return `no Temporal server answers at ${address}; check TEMPORAL_ADDRESS (${wrong ?? messageOf(error)}${proxies})`;
}
