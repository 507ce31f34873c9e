/** How each remote procedure is written and read. Taken from the generated service; only the encoding of ModelInfer is ours. */
import {
  GRPCInferenceServiceService as service,
  ModelInferRequest,
  type ModelInferResponse,
} from './generated/inference.ts';

/** One request, one response. */
export interface UnaryMethod<Request, Response> {
  readonly path: string;
  readonly requestSerialize: (value: Request) => Buffer;
  readonly responseDeserialize: (value: Buffer) => Response;
}

// The generated serializer copies the finished message once more; at a megabyte of features that is worth avoiding.
const modelInfer: UnaryMethod<ModelInferRequest, ModelInferResponse> = {
  ...service.modelInfer,
  requestSerialize(value) {
    const message = ModelInferRequest.encode(value).finish();
    return Buffer.from(message.buffer, message.byteOffset, message.byteLength);
  },
};

/** All remote procedures of this client. */
export const methods = { ...service, modelInfer };

/** `ModelInfer` for `/inference.GRPCInferenceService/ModelInfer`. */
export function nameOfMethod(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}
