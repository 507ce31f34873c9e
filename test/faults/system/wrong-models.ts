import {
  Client,
  credentials,
  Server,
  ServerCredentials,
  type sendUnaryData,
  type ServerUnaryCall,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import { GRPCInferenceServiceService, type ModelInferResponse } from '@headrace/inference-client/generated';

/** What can be wrong with an answer of one FP32 output with one number a row. */
export const wrongAnswers = [
  'nan',
  'half nan',
  'infinite',
  'two numbers a row',
  'a row too few',
  'half the bytes',
  'another type',
  'another name',
  'no output',
] as const;

export type WrongAnswer = (typeof wrongAnswers)[number];

const deadlineMs = 10_000;

/** The answer as a broken server would give it. */
function distorted(answer: ModelInferResponse, wrong: WrongAnswer): ModelInferResponse {
  const [output] = answer.outputs;
  const [bytes] = answer.rawOutputContents;
  if (!output || !bytes) throw new Error('the server answers without raw contents');
  const rows = bytes.length / 4;
  const filled = (number: number, from = 0) => {
    const numbers = new Float32Array(Uint8Array.from(bytes).buffer);
    return new Uint8Array(numbers.fill(number, from).buffer);
  };
  const change = (changes: Partial<typeof output>, contents = bytes) => ({
    ...answer,
    outputs: [{ ...output, ...changes }],
    rawOutputContents: [contents],
  });
  switch (wrong) {
    case 'nan':
      return change({}, filled(Number.NaN));
    case 'half nan':
      return change({}, filled(Number.NaN, Math.floor(rows / 2)));
    case 'infinite':
      return change({}, filled(Infinity));
    case 'two numbers a row':
      return change({ shape: [BigInt(rows), 2n] }, Buffer.concat([bytes, bytes]));
    case 'a row too few':
      return change({ shape: [BigInt(rows - 1), 1n] }, bytes.subarray(0, -4));
    case 'half the bytes':
      return change({}, bytes.subarray(0, bytes.length >> 1));
    case 'another type':
      return change({ datatype: 'INT32' });
    case 'another name':
      return change({ name: 'z' });
    case 'no output':
      return { ...answer, outputs: [], rawOutputContents: [] };
  }
}

/** A server that passes all calls on to a real one and spoils its predictions, as one whose device or model file is broken does. */
export class WrongModels {
  /** Returns that were spoiled. */
  count = 0;
  /** How the next answer is spoiled; undefined leaves it as it is. */
  wrong: () => WrongAnswer | undefined = () => undefined;

  private constructor(
    private readonly server: Server,
    private readonly behind: Client,
  ) {}

  /** @param address of the real server */
  static async start(address: string): Promise<{ models: WrongModels; port: number }> {
    const models = new WrongModels(new Server(), new Client(address, credentials.createInsecure()));
    models.server.addService(GRPCInferenceServiceService, models.#handlers());
    const port = await new Promise<number>((resolve, reject) => {
      models.server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
        error ? reject(error) : resolve(bound),
      );
    });
    return { models, port };
  }

  stop(): void {
    this.server.forceShutdown();
    this.behind.close();
  }

  #handlers(): UntypedServiceImplementation {
    return Object.fromEntries(
      Object.entries(GRPCInferenceServiceService).map(([name, { path, requestSerialize, responseDeserialize }]) => [
        name,
        (call: ServerUnaryCall<unknown, unknown>, reply: sendUnaryData<unknown>) => {
          this.behind.makeUnaryRequest(
            path,
            requestSerialize as never,
            responseDeserialize as never,
            call.request,
            { deadline: Date.now() + deadlineMs },
            (error, answer) => {
              if (error) reply({ code: error.code, details: error.details });
              else reply(null, name === 'modelInfer' ? this.#spoil(answer as unknown as ModelInferResponse) : answer);
            },
          );
        },
      ]),
    );
  }

  #spoil(answer: ModelInferResponse): ModelInferResponse {
    const wrong = this.wrong();
    if (!wrong) return answer;
    this.count++;
    return distorted(answer, wrong);
  }
}
