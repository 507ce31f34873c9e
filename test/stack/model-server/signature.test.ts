import { readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { useClient, useModelServer, useRepository } from '../../inference-client/support/servers.ts';

/** The repository with only the model `linear` and this configuration for it. */
async function useConfig(config: string): Promise<string> {
  const repository = await useRepository();
  for (const other of ['identity', 'picky']) await rm(path.join(repository, other), { recursive: true });
  await writeFile(path.join(repository, 'linear', 'config.pbtxt'), `backend: "onnxruntime" ${config}`);
  return repository;
}

const input = (text: string) => `input { ${text} } output { name: "y" data_type: TYPE_FP32 dims: [ -1, 1 ] }`;

describe('an ONNX file that does not fit its configuration', () => {
  it.each([
    [
      input('name: "features" data_type: TYPE_FP32 dims: [ -1, 3 ]'),
      /config\.pbtxt declares the input 'features', but .*2\/model\.onnx has only 'x'\./,
    ],
    [
      input('name: "x" data_type: TYPE_FP64 dims: [ -1, 3 ]'),
      /declares the input 'x' as TYPE_FP64, but .* has TYPE_FP32\./,
    ],
    [
      input('name: "x" data_type: TYPE_FP32 dims: [ -1, 4 ]'),
      /gives the input 'x' the shape \[-1,4\], but .* has \[-1,3\]\./,
    ],
    [input('name: "x" data_type: TYPE_FP32 dims: [ 3 ]'), /gives the input 'x' the shape \[3\], but .* has \[-1,3\]\./],
    [
      `max_batch_size: 8 ${input('name: "x" data_type: TYPE_FP32 dims: [ -1, 3 ]')}`,
      /the shape \[-1,-1,3\] \(with the row dimension that max_batch_size above 0 puts in front\), but .* has \[-1,3\]\./,
    ],
    [
      'output { name: "score" data_type: TYPE_FP32 dims: [ -1, 1 ] }',
      /declares the output 'score', but .* has only 'y'\./,
    ],
  ])('is named: %s', async (config, reason) => {
    const { notLoaded } = await useModelServer({ repositoryFolder: await useConfig(config) });
    expect(notLoaded).toEqual([expect.stringMatching(reason)]);
  });

  it('is named when it is no ONNX file, or when the configuration forgets an input', async () => {
    const repository = await useConfig('');
    await writeFile(path.join(repository, 'linear', '2', 'model.onnx'), 'not a model');
    expect((await useModelServer({ repositoryFolder: repository })).notLoaded).toEqual([
      expect.stringMatching(/linear\/2\/model\.onnx is not an ONNX model that can be run: /),
    ]);
    await writeFile(
      path.join(repository, 'linear', '2', 'model.onnx'),
      'version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n',
    );
    expect((await useModelServer({ repositoryFolder: repository })).notLoaded).toEqual([
      expect.stringMatching(
        /linear\/2\/model\.onnx is not the model but what Git LFS keeps in its place; fetch it with: git lfs pull$/,
      ),
    ]);
    const other = await useRepository();
    const configPath = path.join(other, 'identity', 'config.pbtxt');
    await writeFile(configPath, (await readFile(configPath, 'utf8')).replace(/^input \{ name: "in_int8".*\n/m, ''));
    expect((await useModelServer({ repositoryFolder: other })).notLoaded).toEqual([
      expect.stringContaining("needs the input 'in_int8', which config.pbtxt does not declare"),
    ]);
  });
});

it('a configuration without inputs and outputs takes those of the file', async () => {
  const { address } = await useModelServer({ repositoryFolder: await useConfig('max_batch_size: 16') });
  const metadata = await useClient({ address }).modelMetadata('linear');
  expect(metadata.inputs).toEqual([{ name: 'x', datatype: 'FP32', shape: [-1n, 3n] }]);
  expect(metadata.outputs).toEqual([{ name: 'y', datatype: 'FP32', shape: [-1n, 1n] }]);
});

it('a tensor that config.pbtxt reshapes is shown, taken and answered in the shape of dims', async () => {
  // What the file calls [rows, 3] is shown as [rows, 3, 1], and [rows, 1] as [rows].
  const { address, notLoaded } = await useModelServer({
    repositoryFolder: await useConfig(`max_batch_size: 16
    input { name: "x" data_type: TYPE_FP32 dims: [ 3, 1 ] reshape { shape: [ 3 ] } }
    output { name: "y" data_type: TYPE_FP32 dims: [ 1, 1 ] reshape { shape: [ 1 ] } }`),
  });
  expect(notLoaded).toEqual([]);
  const client = useClient({ address });
  const metadata = await client.modelMetadata('linear');
  expect(metadata.inputs[0]?.shape).toEqual([-1n, 3n, 1n]);
  expect(metadata.outputs[0]?.shape).toEqual([-1n, 1n, 1n]);
  const { outputs } = await client.infer({
    model: 'linear',
    inputs: [{ name: 'x', datatype: 'FP32', shape: [2, 3, 1], data: new Float32Array(6) }],
  });
  expect(outputs[0]?.shape).toEqual([2, 1, 1]);
  await expect(
    client.infer({
      model: 'linear',
      inputs: [{ name: 'x', datatype: 'FP32', shape: [2, 3], data: new Float32Array(6) }],
    }),
  ).rejects.toMatchObject({ code: 'WRONG_SHAPE' });
});

it('a reshape that the file does not fit is named with the shape in the file', async () => {
  const { notLoaded } = await useModelServer({
    repositoryFolder: await useConfig(
      'max_batch_size: 16 input { name: "x" data_type: TYPE_FP32 dims: [ 3 ] reshape { shape: [ 3, 1 ] } }',
    ),
  });
  expect(notLoaded).toEqual([
    expect.stringMatching(/gives the input 'x' the shape \[-1,3,1\] .*, but .* has \[-1,3\]\./),
  ]);
});
