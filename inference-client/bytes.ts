/** The raw form of BYTES tensors: each element is its length as 4 little-endian bytes, then its bytes. */

const lengthBytes = 4;

/** Encodes the elements one after the other; a string counts as its UTF-8 bytes. */
export function encodeBytes(elements: readonly (Uint8Array | string)[]): Uint8Array {
  const parts = elements.map((element) => (typeof element === 'string' ? Buffer.from(element, 'utf8') : element));
  const raw = Buffer.allocUnsafe(parts.reduce((sum, part) => sum + lengthBytes + part.byteLength, 0));
  let at = 0;
  for (const part of parts) {
    raw.writeUInt32LE(part.byteLength, at);
    raw.set(part, at + lengthBytes);
    at += lengthBytes + part.byteLength;
  }
  return raw;
}

/**
 * Decodes `count` elements as views on `raw`, without copying.
 *
 * @throws RangeError when `raw` ends early or holds more than `count` elements
 */
export function decodeBytes(raw: Uint8Array, count: number): Uint8Array[] {
  const view = new DataView(raw.buffer, raw.byteOffset, raw.byteLength);
  // The count comes from the peer: it may not reserve memory before the bytes show that the elements are there.
  if (count * lengthBytes > raw.byteLength)
    throw new RangeError(`${count} elements do not fit into ${raw.byteLength} bytes`);
  const elements: Uint8Array[] = [];
  let at = 0;
  for (let index = 0; index < count; index++) {
    if (at + lengthBytes > raw.byteLength) throw new RangeError(`element ${index} of ${count} is missing`);
    const end = at + lengthBytes + view.getUint32(at, true);
    if (end > raw.byteLength)
      throw new RangeError(`element ${index} of ${count} ends at byte ${end}, after the last byte ${raw.byteLength}`);
    elements.push(raw.subarray(at + lengthBytes, end));
    at = end;
  }
  if (at !== raw.byteLength) throw new RangeError(`${raw.byteLength - at} bytes are left after ${count} elements`);
  return elements;
}
