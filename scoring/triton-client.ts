import { createInferenceClient, type InferenceClient } from '@headrace/inference-client';
import type { Config } from '../contracts/schemas/config.ts';
import { readCertificates } from '../lib/pem-file.ts';

/** A client of the model server from the configuration. */
export function createTritonClient({ triton }: Config): InferenceClient {
  const tls = triton.tls || triton.url.startsWith('grpcs://');
  return createInferenceClient({
    address: triton.url.replace(/^grpcs?:\/\//, ''),
    tls:
      tls &&
      (triton.tlsCaFile
        ? { ca: Buffer.from(readCertificates({ env: 'TRITON_TLS_CA_FILE', path: triton.tlsCaFile })) }
        : true),
    deadlineMs: triton.deadlineMs,
  });
}
