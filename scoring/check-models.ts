import { InferenceError, type InferenceClient } from '@headrace/inference-client';
import { messageOf } from '../contracts/failures.ts';
import type { AnyPipeline } from '../contracts/pipeline.ts';
import { unusedProxies } from '../lib/proxies.ts';
import { isLoopback, type Config } from '../contracts/schemas/config.ts';
import { wrongPeer } from '../lib/who-answers.ts';
import { describeModel, fitModel } from './model-shape.ts';

/**
 * Compares every pipeline with its model at the start. Throws a sentence for each model that can never decide it: one that does not fit,
 * and one that is in the repository and cannot be loaded. One that is not there, or a server that does not answer, is returned as a note,
 * because batches wait for it, or the pipeline's fallback decides.
 */
export async function checkModels(
  client: InferenceClient,
  pipelines: readonly AnyPipeline[],
  config: Pick<Config, 'triton' | 'proxyVariables'>,
): Promise<string[]> {
  const findings = await Promise.all(pipelines.map((pipeline) => checkModel(client, pipeline)));
  const refusals = findings.flatMap((finding) => ('refusal' in finding ? [finding.refusal] : []));
  if (refusals.length > 0) throw new Error(refusals.join('\n'));
  const notes = findings.flatMap((finding) => ('note' in finding ? [finding.note] : []));
  if (!findings.some((finding) => 'isAway' in finding && finding.isAway)) return notes;
  const why = await whyAway(config);
  return why ? [why, ...notes] : notes;
}

type Finding = { refusal: string } | { note: string; isAway: boolean } | Record<string, never>;

async function checkModel(client: InferenceClient, pipeline: AnyPipeline): Promise<Finding> {
  try {
    const fit = fitModel(pipeline, await describeModel(client, pipeline));
    return 'mismatch' in fit ? { refusal: fit.mismatch } : {};
  } catch (error) {
    const { name, model } = pipeline;
    const place = `model "${model.name}"${model.version ? ` version ${model.version}` : ''} of pipeline "${name}"`;
    const meanwhile = model.fallback
      ? 'its fallback decides, marked degraded'
      : 'its events wait, because the pipeline declares no model.fallback';
    if (!(error instanceof InferenceError) || !['MODEL_NOT_FOUND', 'MODEL_NOT_READY'].includes(error.code)) {
      return { note: `${place} cannot be checked now, and meanwhile ${meanwhile}: ${messageOf(error)}`, isAway: true };
    }
    const { broken, versions } = await stateOf(client, model.name);
    if (broken && !model.fallback) return { refusal: `${place} is in the repository and cannot be served: ${broken}` };
    if (broken) return { note: `${place} cannot be served, and meanwhile ${meanwhile}: ${broken}`, isAway: false };
    const there = versions.length > 0 ? ` The server has version ${versions.join(', ')}.` : '';
    return {
      note: `${place} is not on the server; put it there and load it; until then ${meanwhile}.${there} (${messageOf(error)})`,
      isAway: false,
    };
  }
}

/** Why the server cannot load a model, and which of its versions are ready. */
async function stateOf(client: InferenceClient, model: string): Promise<{ broken?: string; versions: string[] }> {
  // A server may not offer the index: then the answer about the model itself is all there is.
  const index = await client.repositoryIndex().catch(() => []);
  const ofModel = index.filter(({ name }) => name === model);
  const versions = ofModel.filter(({ state }) => state === 'READY').map(({ version }) => version);
  const broken =
    versions.length > 0
      ? undefined
      : ofModel.find(({ state, reason }) => state === 'UNAVAILABLE' && reason !== '' && reason !== 'unloaded')?.reason;
  return { ...(broken && { broken }), versions };
}

/** What a server that does not answer may have to do with; undefined when nothing is known. */
async function whyAway({
  triton,
  proxyVariables,
}: Pick<Config, 'triton' | 'proxyVariables'>): Promise<string | undefined> {
  const address = triton.url.replace(/^grpcs?:\/\//, '');
  const tls = triton.tls || triton.url.startsWith('grpcs://');
  const wrong = await wrongPeer(address, {
    service: 'Triton',
    port: 'usually 8001, and 8000 is HTTP',
    tls,
    tlsSetting: 'TRITON_TLS',
  });
  if (wrong) return `TRITON_URL: ${wrong}`;
  const proxies = isLoopback(address) ? '' : unusedProxies(proxyVariables);
  return proxies === '' ? undefined : `no Triton answers at ${address}${proxies}`;
}
