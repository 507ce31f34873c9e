/** The model repository on disk: which models there are, their configuration, and which versions the policy picks. Reads only. */
import { readdir, readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import type { ModelConfig } from '@headrace/inference-client/generated';
import { parseModelConfig } from './model-config.ts';

/** The repository or a model in it is not usable; the message is a sentence that names the path. */
export class RepositoryError extends Error {
  override readonly name = 'RepositoryError';
}

export interface ModelOnDisk {
  readonly config: ModelConfig;
  /** The versions that the policy picks, ascending, each with its file. */
  readonly versions: readonly { readonly version: bigint; readonly file: string }[];
}

/** Names of the models in the repository: its folders, hidden ones apart. @throws RepositoryError */
export async function listModels(repositoryFolder: string): Promise<string[]> {
  const entries = await readdir(repositoryFolder, { withFileTypes: true }).catch((error: NodeJS.ErrnoException) => {
    const reason =
      error.code === 'ENOENT'
        ? 'does not exist'
        : error.code === 'ENOTDIR'
          ? 'is not a folder'
          : `cannot be read (${error.code ?? error.message})`;
    throw new RepositoryError(
      `The model repository ${repositoryFolder} ${reason}; name the folder that holds one folder per model.`,
      { cause: error },
    );
  });
  const isFolder = await Promise.all(
    entries.map(
      async (entry) =>
        entry.isDirectory() ||
        (entry.isSymbolicLink() &&
          (await stat(path.join(repositoryFolder, entry.name)).catch(() => undefined))?.isDirectory() === true),
    ),
  );
  return entries
    .filter(({ name }, index) => isFolder[index] && !name.startsWith('.'))
    .map(({ name }) => name)
    .sort();
}

/** Reads one model's configuration and picks its versions. @throws RepositoryError, ModelConfigError */
export async function readModel(repositoryFolder: string, name: string): Promise<ModelOnDisk> {
  const folder = path.join(repositoryFolder, name);
  const configPath = path.join(folder, 'config.pbtxt');
  const source = await readFile(configPath, 'utf8').catch((error: NodeJS.ErrnoException) => {
    // As in Triton, what it does not say is read from the model's file.
    if (error.code === 'ENOENT') return '';
    throw new RepositoryError(
      `Model '${name}' has a ${configPath} that cannot be read (${error.code ?? error.message}).`,
      { cause: error },
    );
  });
  const config = parseModelConfig(source, configPath, name);
  const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    throw new RepositoryError(
      `Model '${name}': its folder ${folder} cannot be read (${error.code ?? error.message}).`,
      { cause: error },
    );
  });
  // Triton's rule: a version is a folder named by a number of 1 or more; anything else beside them is ignored.
  const present = names
    .filter((entry) => /^[1-9]\d*$/.test(entry))
    .map(BigInt)
    .sort((one, two) => (one < two ? -1 : 1));
  if (present.length === 0)
    throw new RepositoryError(
      `Model '${name}' has no version; put the model into ${path.join(folder, '1', config.defaultModelFilename)}.`,
    );
  const versions = pickVersions(config, present).map((version) => ({
    version,
    file: path.join(folder, String(version), config.defaultModelFilename),
  }));
  for (const { file } of versions) {
    if ((await stat(file).catch(() => undefined))?.isFile() !== true)
      throw new RepositoryError(`Model '${name}' has no file ${file}.`);
  }
  return { config, versions };
}

function pickVersions({ name, versionPolicy }: ModelConfig, present: readonly bigint[]): readonly bigint[] {
  const choice = versionPolicy?.policyChoice;
  if (choice?.$case === 'all') return present;
  if (choice?.$case !== 'specific') return present.slice(-(choice?.latest.numVersions ?? 1));
  const missing = choice.specific.versions.find((version) => !present.includes(version));
  if (missing !== undefined)
    throw new RepositoryError(
      `Model '${name}' asks for version ${missing} in version_policy, but the repository has only ${present.join(', ')}.`,
    );
  return present.filter((version) => choice.specific.versions.includes(version));
}
