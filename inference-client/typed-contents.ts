/**
 * The other form of tensors on the wire: one number field per kind of element. This client never sends it, but a server may answer in
 * it, and a server that uses these helpers must take it.
 */
import { fixedWidthDatatypes, isFixedWidthDatatype } from './datatypes.ts';
import type { InferTensorContents } from './generated/inference.ts';
import { elementCount, type Tensor } from './tensors.ts';

/** Datatype -> the field that carries it. FP16 and BF16 have none: they travel raw only. */
const fieldOfDatatype = {
  BOOL: 'boolContents',
  INT8: 'intContents',
  INT16: 'intContents',
  INT32: 'intContents',
  INT64: 'int64Contents',
  UINT8: 'uintContents',
  UINT16: 'uintContents',
  UINT32: 'uintContents',
  UINT64: 'uint64Contents',
  FP32: 'fp32Contents',
  FP64: 'fp64Contents',
  BYTES: 'bytesContents',
} as const satisfies Record<string, keyof InferTensorContents>;

/**
 * A tensor from its typed contents.
 *
 * @throws TypeError when the datatype has no typed form or another field is filled
 * @throws RangeError when the number of elements is not what the shape says
 */
export function decodeTypedContents(
  name: string,
  datatype: string,
  shape: readonly number[],
  contents: InferTensorContents,
): Tensor {
  if (!Object.hasOwn(fieldOfDatatype, datatype))
    throw new TypeError(`tensor '${name}': datatype '${datatype}' has no typed contents; send it raw`);
  const field = fieldOfDatatype[datatype as keyof typeof fieldOfDatatype];
  const other = Object.entries(contents).find(([key, values]) => key !== field && (values as unknown[]).length > 0);
  if (other !== undefined)
    throw new TypeError(`tensor '${name}': datatype ${datatype} belongs into ${field}, but ${other[0]} is filled`);
  const values = contents[field];
  const count = elementCount(shape);
  if (values.length !== count)
    throw new RangeError(
      `tensor '${name}': shape [${shape.join(',')}] means ${count} elements, there are ${values.length}`,
    );
  if (!isFixedWidthDatatype(datatype)) return { name, datatype: 'BYTES', shape, data: contents.bytesContents };
  const data = new fixedWidthDatatypes[datatype].arrayType(count);
  // Numbers and bigints never mix here: the field was chosen by the datatype.
  for (let index = 0; index < count; index++) data[index] = values[index] as never;
  return { name, datatype, shape, data } as Tensor;
}
