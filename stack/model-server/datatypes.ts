/** One tensor type under its three names: in config.pbtxt, on the wire, and in ONNX Runtime. */
import { DataType } from '@headrace/inference-client/generated';
import type { Datatype } from '@headrace/inference-client';

/** The names of ONNX Runtime for the types that it can take from JavaScript. */
export type OrtType =
  | 'bool'
  | 'uint8'
  | 'uint16'
  | 'uint32'
  | 'uint64'
  | 'int8'
  | 'int16'
  | 'int32'
  | 'int64'
  | 'float16'
  | 'float32'
  | 'float64'
  | 'string';

export interface TensorType {
  /** `TYPE_FP32` */
  readonly configName: keyof typeof DataType;
  readonly dataType: DataType;
  /** `FP32` */
  readonly wireName: Datatype;
  /** `float32` */
  readonly ortType: OrtType;
}

const names: readonly (readonly [keyof typeof DataType, Datatype, OrtType])[] = [
  ['TYPE_BOOL', 'BOOL', 'bool'],
  ['TYPE_UINT8', 'UINT8', 'uint8'],
  ['TYPE_UINT16', 'UINT16', 'uint16'],
  ['TYPE_UINT32', 'UINT32', 'uint32'],
  ['TYPE_UINT64', 'UINT64', 'uint64'],
  ['TYPE_INT8', 'INT8', 'int8'],
  ['TYPE_INT16', 'INT16', 'int16'],
  ['TYPE_INT32', 'INT32', 'int32'],
  ['TYPE_INT64', 'INT64', 'int64'],
  ['TYPE_FP16', 'FP16', 'float16'],
  ['TYPE_FP32', 'FP32', 'float32'],
  ['TYPE_FP64', 'FP64', 'float64'],
  ['TYPE_STRING', 'BYTES', 'string'],
];

/** Every type that this server serves. BF16 is absent: ONNX Runtime does not take it from JavaScript. */
export const tensorTypes: readonly TensorType[] = names.map(([configName, wireName, ortType]) => ({
  configName,
  dataType: DataType[configName],
  wireName,
  ortType,
}));

/** The type with this number in the protocol. @throws RangeError for one that config checking should have refused */
export function tensorTypeOf(dataType: DataType): TensorType {
  const found = tensorTypes.find((type) => type.dataType === dataType);
  if (found === undefined) throw new RangeError(`data type ${dataType} is not served`);
  return found;
}
