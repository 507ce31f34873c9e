import { once } from 'node:events';
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import type { AnyPipeline } from '../../contracts/pipeline.ts';
import { parseConfig } from '../../contracts/schemas/config.ts';
import { checkModels } from '../../scoring/check-models.ts';
import { freePort, useClient, useModelServer } from '../inference-client/support/servers.ts';
import { modelRepository, pipelineFor } from '../worker/served-models.ts';

const fallback = () => ({ score: 0 });

function check(
  address: string,
  pipelines: readonly AnyPipeline[],
  env: Record<string, string> = {},
): Promise<string[]> {
  return checkModels(
    useClient({ address, deadlineMs: 2_000 }),
    pipelines,
    parseConfig({ TRITON_URL: address, ...env }),
  );
}

/** The models of the folder `models`, and one for another server. */
async function useSharedRepository(): Promise<string> {
  const repositoryFolder = await mkdtemp(join(tmpdir(), 'headrace-models-'));
  onTestFinished(() => rm(repositoryFolder, { recursive: true, force: true }));
  await cp(modelRepository, repositoryFolder, { recursive: true });
  await mkdir(join(repositoryFolder, 'foreign', '1'), { recursive: true });
  await writeFile(join(repositoryFolder, 'foreign', 'config.pbtxt'), 'backend: "python"');
  return (await useModelServer({ repositoryFolder })).address;
}

test('models that fit, in whatever shape, are not worth a word, and a foreign one beside them neither', async () => {
  const address = await useSharedRepository();
  expect(
    await check(
      address,
      ['many', 'onerow', 'pairs', 'double', 'vector', 'labelled'].map((name) => pipelineFor(name)),
    ),
  ).toEqual([]);
});

test('what can never decide is refused, every one of them by name', async () => {
  const address = await useSharedRepository();
  const refused = check(address, [pipelineFor('matrix'), pipelineFor('foreign'), pipelineFor('many')]);
  await expect(refused).rejects.toThrow(
    /^model "matrix" of pipeline "for-matrix": output "score" has 6 numbers a row .*\nmodel "foreign" of pipeline "for-foreign" is in the repository and cannot be served: .*platform must be .*, got "python"; .*$/,
  );
});

test('one that is missing is a note that says what happens meanwhile', async () => {
  const address = await useSharedRepository();
  expect(
    await check(address, [
      pipelineFor('absent'),
      pipelineFor('absent', { fallback }),
      pipelineFor('many', { version: '7' }),
      pipelineFor('foreign', { fallback }),
    ]),
  ).toEqual([
    expect.stringMatching(
      /^model "absent" of pipeline "for-absent" is not on the server; put it there and load it; until then its events wait, because the pipeline declares no model\.fallback\. \(MODEL_NOT_FOUND: /,
    ),
    expect.stringMatching(
      /^model "absent" of pipeline "for-absent" is not on the server; put it there and load it; until then its fallback decides, marked degraded\. /,
    ),
    expect.stringMatching(
      /^model "many" version 7 of pipeline "for-many" is not on the server; .* The server has version 1\. /,
    ),
    expect.stringMatching(
      /^model "foreign" of pipeline "for-foreign" cannot be served, and meanwhile its fallback decides, marked degraded: .*platform must be/,
    ),
  ]);
});

test('a server that does not answer is a note, with the proxy variables that are not used for it', async () => {
  const address = `127.0.0.1:${await freePort()}`;
  expect(await check(address, [pipelineFor('many')], { http_proxy: 'http://127.0.0.1:1' })).toEqual([
    expect.stringMatching(
      /^model "many" of pipeline "for-many" cannot be checked now, and meanwhile its events wait, .*: SERVER_UNAVAILABLE: .*ECONNREFUSED/,
    ),
  ]);
  const notes = await check('triton.invalid:8001', [pipelineFor('many', { fallback })], {
    https_proxy: 'http://127.0.0.1:1',
  });
  expect(notes).toEqual([
    'no Triton answers at triton.invalid:8001; https_proxy is not used for it',
    expect.stringMatching(/cannot be checked now, and meanwhile its fallback decides/),
  ]);
});

test('an address that speaks HTTP/1.1 is told as such, first of all', async () => {
  const server = createServer((_, response) => response.end('{}')).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  const address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  const notes = await check(address, [pipelineFor('many')]);
  expect(notes[0]).toBe(
    `TRITON_URL: ${address} speaks HTTP/1.1, not gRPC: the gRPC port of Triton is usually 8001, and 8000 is HTTP`,
  );
  expect(notes[1]).toMatch(
    /SERVER_UNAVAILABLE: what answers there does not speak HTTP\/2, as gRPC does; it may be an HTTP port \(Triton's gRPC port is usually 8001, 8000 is HTTP\)/,
  );
});
