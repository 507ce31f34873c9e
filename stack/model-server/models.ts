/**
 * The models in service: loading, unloading, finding.
 *
 * A load reads the model from disk anew, makes all its versions ready, and only then puts them in the place of the old ones, whose running
 * requests finish. A load that fails leaves what is in service as it is. Loads and unloads happen one after the other.
 */
import type { RepositoryIndexResponse_ModelIndex } from '@headrace/inference-client/generated';
import { ModelConfigError } from './model-config.ts';
import { loadModelVersion, type ModelVersion } from './model-version.ts';
import { listModels, readModel, RepositoryError } from './repository.ts';
import { internal, invalidArgument, notFound } from './rpc-error.ts';

export interface Models {
  /** Loads every model of the repository. Returns a sentence for each that cannot be served; the others are. @throws RepositoryError when there is none to load */
  loadAll(): Promise<string[]>;
  /** @throws RpcError */
  load(name: string): Promise<void>;
  /** Unknown names are no error, as in Triton. */
  unload(name: string): Promise<void>;
  /** The version asked for, or the highest for ''. @throws RpcError NOT_FOUND, INVALID_ARGUMENT */
  find(name: string, version: string): ModelVersion;
  /** All versions in service of a model, ascending. @throws RpcError NOT_FOUND */
  versionsOf(name: string): readonly ModelVersion[];
  /** Names of the models with a version in service. */
  names(): string[];
  index(readyOnly: boolean): Promise<RepositoryIndexResponse_ModelIndex[]>;
  close(): Promise<void>;
}

interface Entry {
  readonly versions: readonly ModelVersion[];
  /** Versions that were in service until the model was unloaded. */
  readonly unloaded: readonly bigint[];
}

/** Creates the models of a repository, none of them loaded. */
export function createModels(repositoryFolder: string): Models {
  const entries = new Map<string, Entry>();
  /** Why the last load of a model failed. It may be in service as it was before. */
  const failures = new Map<string, string>();
  let lastChange: Promise<unknown> = Promise.resolve();

  function inTurn<T>(change: () => Promise<T>): Promise<T> {
    const turn = lastChange.then(change, change);
    lastChange = turn.catch(() => undefined);
    return turn;
  }

  /** @throws RepositoryError, ModelConfigError */
  async function loadNow(name: string): Promise<void> {
    await loadAndSwap(name).then(
      () => failures.delete(name),
      (error: unknown) => {
        if (error instanceof RepositoryError || error instanceof ModelConfigError) failures.set(name, error.message);
        throw error;
      },
    );
  }

  async function loadAndSwap(name: string): Promise<void> {
    const { config, versions } = await readModel(repositoryFolder, name);
    const loaded: ModelVersion[] = [];
    try {
      for (const { version, file } of versions) loaded.push(await loadModelVersion(config, version, file));
    } catch (error) {
      await Promise.all(loaded.map((version) => version.retire()));
      throw error;
    }
    const before = entries.get(name)?.versions ?? [];
    entries.set(name, { versions: loaded, unloaded: [] });
    await Promise.all(before.map((version) => version.retire()));
  }

  function versionsOf(name: string): readonly ModelVersion[] {
    const entry = entries.get(name);
    const failure = failures.get(name);
    if (entry === undefined && failure !== undefined)
      throw notFound(`Request for unknown model: '${name}' has no available versions: ${failure}`);
    if (entry === undefined) throw notFound(`Request for unknown model: '${name}' is not found`);
    if (entry.versions.length === 0) throw notFound(`Request for unknown model: '${name}' has no available versions`);
    return entry.versions;
  }

  return {
    loadAll: () =>
      inTurn(async () => {
        const problems: string[] = [];
        const names = await listModels(repositoryFolder);
        if (names.length === 0)
          throw new RepositoryError(
            `The model repository ${repositoryFolder} has no model; put each into a folder of its own.`,
          );
        for (const name of names) {
          await loadNow(name).catch((error: unknown) => {
            if (!(error instanceof RepositoryError || error instanceof ModelConfigError)) throw error;
            problems.push(error.message);
          });
        }
        return problems;
      }),

    load: (name) =>
      inTurn(async () => {
        // The name becomes part of a path, so it must be one of the folders and not merely lead to one.
        const names = await listModels(repositoryFolder).catch((error: Error) => {
          throw internal(error.message, error);
        });
        if (!names.includes(name)) throw internal(`failed to load '${name}', failed to poll from model repository`);
        await loadNow(name).catch((error: unknown) => {
          if (error instanceof RepositoryError || error instanceof ModelConfigError)
            throw invalidArgument(`load failed for model '${name}': ${error.message}`, error);
          throw error;
        });
      }),

    unload: (name) =>
      inTurn(async () => {
        const entry = entries.get(name);
        if (entry === undefined || entry.versions.length === 0) return;
        entries.set(name, { versions: [], unloaded: entry.versions.map(({ version }) => version) });
        await Promise.all(entry.versions.map((version) => version.retire()));
      }),

    versionsOf,
    names: () =>
      [...entries]
        .filter(([, { versions }]) => versions.length > 0)
        .map(([name]) => name)
        .sort(),

    find(name, version) {
      if (version !== '' && !/^[1-9]\d{0,17}$/.test(version)) {
        throw invalidArgument(
          `failed to get model version from specified version string '${version}', version should be an integral value > 0`,
        );
      }
      const versions = versionsOf(name);
      const found =
        version === '' ? versions.at(-1) : versions.find((candidate) => candidate.version === BigInt(version));
      if (found === undefined) throw notFound(`Request for unknown model: '${name}' version ${version} is not found`);
      return found;
    },

    async index(readyOnly) {
      const onDisk = readyOnly
        ? []
        : await listModels(repositoryFolder).catch((error: Error) => {
            throw internal(error.message, error);
          });
      return [...new Set([...entries.keys(), ...onDisk])]
        .sort()
        .flatMap((name): RepositoryIndexResponse_ModelIndex[] => {
          const entry = entries.get(name);
          const reason = failures.get(name);
          if (entry === undefined && reason !== undefined)
            return readyOnly ? [] : [{ name, version: '', state: 'UNAVAILABLE', reason }];
          if (entry === undefined) return [{ name, version: '', state: '', reason: '' }];
          const ready = entry.versions.map(({ version }) => ({
            name,
            version: String(version),
            state: 'READY',
            reason: '',
          }));
          return readyOnly
            ? ready
            : [
                ...ready,
                ...entry.unloaded.map((version) => ({
                  name,
                  version: String(version),
                  state: 'UNAVAILABLE',
                  reason: 'unloaded',
                })),
              ];
        });
    },

    close: () =>
      inTurn(async () => {
        const versions = [...entries.values()].flatMap((entry) => entry.versions);
        entries.clear();
        await Promise.all(versions.map((version) => version.retire()));
      }),
  };
}
