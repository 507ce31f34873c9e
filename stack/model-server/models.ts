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
  return new RepositoryModels(repositoryFolder);
}

class RepositoryModels implements Models {
  readonly #repositoryFolder: string;
  readonly #entries = new Map<string, Entry>();
  /** Why the last load of a model failed. It may be in service as it was before. */
  readonly #failures = new Map<string, string>();
  #lastChange: Promise<unknown> = Promise.resolve();

  constructor(repositoryFolder: string) {
    this.#repositoryFolder = repositoryFolder;
  }

  loadAll(): Promise<string[]> {
    return this.#inTurn(async () => {
      const problems: string[] = [];
      const names = await listModels(this.#repositoryFolder);
      if (names.length === 0)
        throw new RepositoryError(
          `The model repository ${this.#repositoryFolder} has no model; put each into a folder of its own.`,
        );
      for (const name of names) {
        await this.#load(name).catch((error: unknown) => {
          if (!isUnusable(error)) throw error;
          problems.push(error.message);
        });
      }
      return problems;
    });
  }

  load(name: string): Promise<void> {
    return this.#inTurn(async () => {
      // The name becomes part of a path, so it must be one of the folders and not merely lead to one.
      const names = await this.#listOnDisk();
      if (!names.includes(name)) throw internal(`failed to load '${name}', failed to poll from model repository`);
      await this.#load(name).catch((error: unknown) => {
        if (isUnusable(error)) throw invalidArgument(`load failed for model '${name}': ${error.message}`, error);
        throw error;
      });
    });
  }

  unload(name: string): Promise<void> {
    return this.#inTurn(async () => {
      const entry = this.#entries.get(name);
      if (entry === undefined || entry.versions.length === 0) return;
      this.#entries.set(name, { versions: [], unloaded: entry.versions.map(({ version }) => version) });
      await retireAll(entry.versions);
    });
  }

  versionsOf(name: string): readonly ModelVersion[] {
    const entry = this.#entries.get(name);
    const failure = this.#failures.get(name);
    if (entry === undefined && failure !== undefined)
      throw notFound(`Request for unknown model: '${name}' has no available versions: ${failure}`);
    if (entry === undefined) throw notFound(`Request for unknown model: '${name}' is not found`);
    if (entry.versions.length === 0) throw notFound(`Request for unknown model: '${name}' has no available versions`);
    return entry.versions;
  }

  names(): string[] {
    return [...this.#entries]
      .filter(([, { versions }]) => versions.length > 0)
      .map(([name]) => name)
      .sort();
  }

  find(name: string, version: string): ModelVersion {
    if (version !== '' && !/^[1-9]\d{0,17}$/.test(version)) {
      throw invalidArgument(
        `failed to get model version from specified version string '${version}', version should be an integral value > 0`,
      );
    }
    const versions = this.versionsOf(name);
    const found =
      version === '' ? versions.at(-1) : versions.find((candidate) => candidate.version === BigInt(version));
    if (found === undefined) throw notFound(`Request for unknown model: '${name}' version ${version} is not found`);
    return found;
  }

  async index(readyOnly: boolean): Promise<RepositoryIndexResponse_ModelIndex[]> {
    const onDisk = readyOnly ? [] : await this.#listOnDisk();
    const names = [...new Set([...this.#entries.keys(), ...onDisk])].sort();
    return names.flatMap((name): RepositoryIndexResponse_ModelIndex[] => {
      const entry = this.#entries.get(name);
      const reason = this.#failures.get(name);
      if (entry === undefined && reason !== undefined)
        return readyOnly ? [] : [{ name, version: '', state: 'UNAVAILABLE', reason }];
      if (entry === undefined) return [{ name, version: '', state: '', reason: '' }];
      const ready = entry.versions.map(({ version }) => indexRow(name, version, 'READY', ''));
      const unloaded = entry.unloaded.map((version) => indexRow(name, version, 'UNAVAILABLE', 'unloaded'));
      return readyOnly ? ready : [...ready, ...unloaded];
    });
  }

  close(): Promise<void> {
    return this.#inTurn(async () => {
      const versions = [...this.#entries.values()].flatMap((entry) => entry.versions);
      this.#entries.clear();
      await retireAll(versions);
    });
  }

  #inTurn<T>(change: () => Promise<T>): Promise<T> {
    const turn = this.#lastChange.then(change, change);
    this.#lastChange = turn.catch(() => undefined);
    return turn;
  }

  /** @throws RepositoryError, ModelConfigError */
  async #load(name: string): Promise<void> {
    await this.#loadAndSwap(name).then(
      () => this.#failures.delete(name),
      (error: unknown) => {
        if (isUnusable(error)) this.#failures.set(name, error.message);
        throw error;
      },
    );
  }

  async #loadAndSwap(name: string): Promise<void> {
    const { config, versions } = await readModel(this.#repositoryFolder, name);
    const loaded: ModelVersion[] = [];
    try {
      for (const { version, file } of versions) loaded.push(await loadModelVersion(config, version, file));
    } catch (error) {
      await retireAll(loaded);
      throw error;
    }
    const before = this.#entries.get(name)?.versions ?? [];
    this.#entries.set(name, { versions: loaded, unloaded: [] });
    await retireAll(before);
  }

  /** @throws RpcError */
  #listOnDisk(): Promise<string[]> {
    return listModels(this.#repositoryFolder).catch((error: Error) => {
      throw internal(error.message, error);
    });
  }
}

/** The model itself, or the repository, is at fault. */
function isUnusable(error: unknown): error is RepositoryError | ModelConfigError {
  return error instanceof RepositoryError || error instanceof ModelConfigError;
}

async function retireAll(versions: readonly ModelVersion[]): Promise<void> {
  await Promise.all(versions.map((version) => version.retire()));
}

function indexRow(name: string, version: bigint, state: string, reason: string): RepositoryIndexResponse_ModelIndex {
  return { name, version: String(version), state, reason };
}
