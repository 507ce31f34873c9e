import { fileURLToPath } from 'node:url';
import { Client, Connection } from '@temporalio/client';
import type { DataConverter } from '@temporalio/common';
import { messageOf } from '../contracts/failures.ts';
import type { Config } from '../contracts/schemas/config.ts';
import { boundHandshake } from './grpc-handshake.ts';
import { createPayloadCodec, parseCodecKey } from './payload-codec.ts';
import { readCertificates, readKeyPair } from './pem-file.ts';

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
export function temporalConnectionOptions({ temporal }: Config) {
  const tls = temporal.tls || temporal.apiKey !== undefined || temporal.tlsCertFile !== undefined || temporal.tlsCaFile !== undefined;
  return {
    address: temporal.address,
    apiKey: temporal.apiKey,
    tls: tls && {
      serverRootCACertificate: temporal.tlsCaFile ? Buffer.from(readCertificates({ env: 'TEMPORAL_TLS_SERVER_CA_CERT_PATH', path: temporal.tlsCaFile })) : undefined,
      clientCertPair: temporal.tlsCertFile && temporal.tlsKeyFile ? clientCertificate(temporal.tlsCertFile, temporal.tlsKeyFile) : undefined,
    },
  };
}

function clientCertificate(certFile: string, keyFile: string) {
  const { cert, key } = readKeyPair({ env: 'TEMPORAL_TLS_CLIENT_CERT_PATH', path: certFile }, { env: 'TEMPORAL_TLS_CLIENT_KEY_PATH', path: keyFile });
  return { crt: Buffer.from(cert), key: Buffer.from(key) };
}

const channelArgs = {
  // The default grows to two minutes: a server that was away that long would be missed for as long again.
  'grpc.max_reconnect_backoff_ms': 5_000,
  // The global pool would share a connection with clients whose handshake is not bounded.
  'grpc.use_local_subchannel_pool': 1,
};

/** Connects a Temporal client; says which setting to look at when that fails. */
export async function connectTemporal(config: Config): Promise<Client> {
  const options = temporalConnectionOptions(config);
  try {
    const connection = Connection.lazy({ ...options, connectTimeout: connectTimeoutMs, channelArgs });
    boundHandshake(connection.options.credentials, handshakeTimeoutMs);
    await connection.ensureConnected();
    return new Client({ connection, namespace: config.temporal.namespace, dataConverter: dataConverter(config.codec) });
  } catch (error) {
    throw new Error(`no Temporal server answers at ${config.temporal.address}; check TEMPORAL_ADDRESS (${messageOf(error)})`, { cause: error });
  }
}
