import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { ServerCredentials } from '@grpc/grpc-js';
import { beforeAll, expect, onTestFinished, test } from 'vitest';
import { whoAnswers, wrongPeer } from '../../lib/who-answers.ts';
import { makeCertificate } from '../stack/certificates.ts';
import { freePort, useBlackHole, useScriptedServer } from '../inference-client/support/servers.ts';
import { startLiveServers } from '../stack/live.ts';

let live: { kafka: string; postgres: string; temporal: string };
beforeAll(async () => {
  const servers = await startLiveServers({ kafka: true, postgres: true, temporal: true });
  live = {
    kafka: servers.kafka.brokers[0]!,
    postgres: new URL(servers.postgres.databaseUrl).host,
    temporal: servers.temporal.address,
  };
}, 600_000);

async function addressOf(server: Server): Promise<string> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const { cert, key } = makeCertificate('server', makeCertificate('authority'));
const secure = () => ServerCredentials.createSsl(null, [{ cert_chain: cert, private_key: key }]);

test('tells servers apart by what they speak', async () => {
  expect(await whoAnswers(await addressOf(createHttpServer((_, response) => response.end('hi'))))).toBe('http/1.1');
  expect(await whoAnswers(await addressOf(createHttpServer(() => undefined)))).toBe('http/1.1');
  expect(await whoAnswers(await useScriptedServer({}))).toBe('http/2');
  expect(await whoAnswers(live.temporal)).toBe('http/2');
  expect(await whoAnswers(await useScriptedServer({}, { credentials: secure() }))).toBe('tls');
  expect(await whoAnswers(await addressOf(createHttpsServer({ cert, key }, (_, response) => response.end('hi'))))).toBe(
    'tls',
  );
  expect(await whoAnswers(live.postgres)).toBe('postgres');
  expect(await whoAnswers(live.kafka)).toBe('kafka');
  expect(await whoAnswers((await useBlackHole()).address)).toBe('other');
  expect(
    await whoAnswers(
      await addressOf(createServer((socket) => socket.on('error', () => undefined).end('SSH-2.0-x\r\n'))),
    ),
  ).toBe('other');
  expect(await whoAnswers(`127.0.0.1:${await freePort()}`)).toBe('nobody');
  expect(await whoAnswers('nothing.invalid:8001')).toBe('nobody');
});

test('says in a sentence what is there instead of a gRPC server that speaks as we do', async () => {
  const expected = { service: 'Triton', port: 'usually 8001', tls: false, tlsSetting: 'TRITON_TLS' };
  const http = await addressOf(createHttpServer((_, response) => response.end('hi')));
  const grpc = await useScriptedServer({});
  const grpcs = await useScriptedServer({}, { credentials: secure() });
  expect(await wrongPeer(http, expected)).toBe(
    `${http} speaks HTTP/1.1, not gRPC: the gRPC port of Triton is usually 8001`,
  );
  expect(await wrongPeer(grpcs, expected)).toBe(`${grpcs} expects TLS: set TRITON_TLS=true`);
  expect(await wrongPeer(grpc, { ...expected, tls: true })).toBe(
    `${grpc} speaks gRPC without TLS: unset TRITON_TLS, and what implies it`,
  );
  expect(await wrongPeer(live.kafka, expected)).toBe(`a Kafka broker answers at ${live.kafka}, not Triton`);
  expect(await wrongPeer(live.postgres, expected)).toBe(`a Postgres answers at ${live.postgres}, not Triton`);
  expect(await wrongPeer(grpc, expected)).toBeUndefined();
  expect(await wrongPeer(grpcs, { ...expected, tls: true })).toBeUndefined();
  expect(await wrongPeer(`127.0.0.1:${await freePort()}`, expected)).toBeUndefined();
});
