import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { listModels, readModel } from '../../../stack/model-server/repository.ts';

/** A repository with the model `m`, of the versions given, each with a file that nobody reads here. */
async function useVersions(policy: string, versions: string[]): Promise<string> {
  const repository = await mkdtemp(path.join(tmpdir(), 'headrace-repository-'));
  onTestFinished(() => rm(repository, { recursive: true, force: true }));
  await mkdir(path.join(repository, 'm'));
  await writeFile(path.join(repository, 'm', 'config.pbtxt'), `backend: "onnxruntime" ${policy}`);
  for (const version of versions) {
    await mkdir(path.join(repository, 'm', version));
    await writeFile(path.join(repository, 'm', version, 'model.onnx'), '');
  }
  return repository;
}

const versionsOf = async (repository: string) =>
  (await readModel(repository, 'm')).versions.map(({ version }) => Number(version));

describe('versions', () => {
  it.each([
    ['', [10]],
    ['version_policy { latest { num_versions: 2 } }', [9, 10]],
    ['version_policy { all { } }', [1, 9, 10]],
    ['version_policy { specific { versions: [ 9, 1 ] } }', [1, 9]],
  ])('are picked by the policy, as numbers: "%s"', async (policy, expected) => {
    expect(await versionsOf(await useVersions(policy, ['9', '10', '1']))).toEqual(expected);
  });

  it('are folders named by a number; others beside them are ignored', async () => {
    expect(
      await versionsOf(await useVersions('version_policy { all { } }', ['2', '0', '01', 'v3', '4.bak', '.git'])),
    ).toEqual([2]);
  });

  it('that are missing are named', async () => {
    await expect(versionsOf(await useVersions('', []))).rejects.toThrow(
      /^Model 'm' has no version; put the model into .*m\/1\/model\.onnx\.$/,
    );
    await expect(versionsOf(await useVersions('version_policy { specific { versions: 3 } }', ['1']))).rejects.toThrow(
      'asks for version 3 in version_policy, but the repository has only 1',
    );
    const repository = await useVersions('default_model_filename: "other.onnx"', ['1']);
    await expect(versionsOf(repository)).rejects.toThrow(/has no file .*m\/1\/other\.onnx/);
  });
});

describe('models', () => {
  it('are the folders of the repository, linked ones too, hidden ones and files not', async () => {
    const repository = await useVersions('', ['1']);
    await cp(path.join(repository, 'm'), path.join(repository, 'a'), { recursive: true });
    await symlink(path.join(repository, 'm'), path.join(repository, 'link'));
    await symlink(path.join(repository, 'gone'), path.join(repository, 'dangling'));
    await mkdir(path.join(repository, '.git'));
    await writeFile(path.join(repository, 'README.md'), '');
    expect(await listModels(repository)).toEqual(['a', 'link', 'm']);
  });
});
