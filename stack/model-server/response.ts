/** The outputs of a run as the protocol's raw tensors. */
import { encodeTensor } from '@headrace/inference-client';
import type { ModelInferResponse } from '@headrace/inference-client/generated';
import type { InferenceSession } from 'onnxruntime-node';
import { tensorTypes } from './datatypes.ts';
import { internal } from './rpc-error.ts';
import { reshaped, type Signature } from './signature.ts';

/** The output part of a response, in the order of `names`. @throws RpcError INTERNAL when ONNX Runtime returned what cannot be sent */
export function writeOutputs(
  names: readonly string[],
  values: InferenceSession.ReturnType,
  signature: Signature,
): Pick<ModelInferResponse, 'outputs' | 'rawOutputContents'> {
  const outputs: ModelInferResponse['outputs'] = [];
  const rawOutputContents: Uint8Array[] = [];
  for (const name of names) {
    const value = values[name];
    const type = tensorTypes.find(({ ortType }) => ortType === value?.type);
    if (value === undefined || type === undefined)
      throw internal(`output '${name}' has the type ${value?.type ?? 'nothing'}, which cannot be sent`);
    const { shape, inFile } = signature.outputs.find((output) => output.name === name) ?? { shape: value.dims };
    const dims = inFile === undefined ? value.dims : reshaped(value.dims, inFile, shape);
    outputs.push({
      name,
      datatype: type.wireName,
      shape: dims.map(BigInt),
      parameters: new Map(),
      contents: undefined,
    });
    const { data } = value;
    rawOutputContents.push(
      ArrayBuffer.isView(data)
        ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
        : encodeTensor({ name, datatype: 'BYTES', shape: dims, data: data as string[] }),
    );
  }
  return { outputs, rawOutputContents };
}
