import { existsSync, readdirSync, statSync } from 'node:fs';
import { register } from 'node:module';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { fullMessageOf } from '../contracts/failures.ts';
import type { AnyPipeline } from '../contracts/pipeline.ts';
import { PipelineDefinitionError } from './define.ts';
import { schemaProblems } from './schema-problems.ts';

const hookedFolders = new Set<string>();

/**
 * Loads the pipelines of a folder: each subfolder with an `index.ts` (or `.js`, `.mjs`, `.mts`) whose default export comes from
 * `definePipeline`. `names` picks some of them. Throws with one clear sentence on an unknown name, a broken file, or two
 * pipelines of one name or topic.
 */
export async function loadPipelines({
  dir,
  names,
}: {
  dir?: string;
  names?: readonly string[];
}): Promise<AnyPipeline[]> {
  const folder = dir ? resolve(dir) : import.meta.dirname;
  if (!existsSync(folder) || !statSync(folder).isDirectory())
    throw new Error(`no folder ${folder}; check HEADRACE_PIPELINES_DIR or --pipelines`);
  if (dir && !hookedFolders.has(folder)) {
    hookedFolders.add(folder);
    const data = { root: new URL('../index.ts', import.meta.url).href, folder: `${pathToFileURL(folder).href}/` };
    register(new URL('./resolve-hook.mjs', import.meta.url), { data });
  }
  const files = readdirSync(folder)
    .map((name) => entryFile(join(folder, name)))
    .filter((file) => file !== undefined);
  const found = await Promise.all(files.map(loadPipeline));
  const picked = names ? names.map((name) => pick(found, name, folder)) : found;
  if (picked.length === 0)
    throw new Error(
      `no pipeline in ${folder}: each needs a subfolder with an index.ts that exports definePipeline({...})`,
    );
  assertDistinct(
    picked.map((pipeline) => pipeline.name),
    'name',
  );
  assertDistinct(
    picked.map((pipeline) => pipeline.topic.name),
    'topic',
  );
  return picked;
}

function entryFile(folder: string): string | undefined {
  return ['index.ts', 'index.mts', 'index.js', 'index.mjs'].map((name) => join(folder, name)).find(existsSync);
}

async function loadPipeline(file: string): Promise<AnyPipeline> {
  let module: { default?: AnyPipeline };
  try {
    module = (await import(pathToFileURL(file).href)) as { default?: AnyPipeline };
  } catch (error) {
    if (error instanceof PipelineDefinitionError)
      throw new PipelineDefinitionError(error.pipeline, error.problems, file);
    // In full: no event has been seen yet that it could quote.
    throw new Error(`${file} cannot be loaded: ${fullMessageOf(error)}`, { cause: error });
  }
  const pipeline = module.default;
  if (!pipeline?.name || !pipeline.features)
    throw new Error(`${file} has no default export made by definePipeline({...})`);
  // Only now is everything there that a recursive schema refers to.
  const problems = schemaProblems(pipeline);
  if (problems.length > 0) throw new PipelineDefinitionError(pipeline.name, problems, file);
  return pipeline;
}

function pick(found: readonly AnyPipeline[], name: string, folder: string): AnyPipeline {
  const pipeline = found.find((candidate) => candidate.name === name);
  if (!pipeline)
    throw new Error(
      `unknown pipeline "${name}": ${folder} has ${found.map((candidate) => candidate.name).join(', ') || 'none'}`,
    );
  return pipeline;
}

function assertDistinct(values: readonly string[], what: string): void {
  const twice = values.find((value, i) => values.indexOf(value) !== i);
  if (twice !== undefined) throw new Error(`two pipelines have the ${what} "${twice}"`);
}
