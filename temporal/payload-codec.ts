import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import type { Payload, PayloadCodec } from '@temporalio/common';
import snappy from 'snappy';

export type { Payload, PayloadCodec } from '@temporalio/common';

/** A key of the codec: its id travels with what it encrypted, so that old payloads stay readable after a rotation. */
export interface CodecKey {
  id: string;
  key: Buffer;
}

const compressBytesMin = 256;
const nonceBytes = 12;
const tagBytes = 16;
const text = new TextEncoder();
const textOf = new TextDecoder();

/** Reads `<key id>:<32 bytes in base64>`. */
export function parseCodecKey(setting: string): CodecKey {
  const [id, base64] = setting.split(':') as [string, string];
  const key = Buffer.from(base64, 'base64');
  if (key.length !== 32) throw new RangeError(`HEADRACE_CODEC_KEY: key "${id}" has ${key.length} bytes instead of 32`);
  return { id, key };
}

/**
 * Compresses every payload that gains from it, and encrypts all of them when a key is set. The outer encoding says what was
 * done; the inner one is kept beside it. Missing or empty data (a void result) passes through: a codec that throws would fail
 * workflow tasks in a tight loop.
 */
export function createPayloadCodec({ key, oldKeys = [] }: { key?: CodecKey; oldKeys?: CodecKey[] } = {}): PayloadCodec {
  const keys = new Map([...oldKeys, ...(key ? [key] : [])].map((known) => [known.id, known]));
  return {
    encode: async (payloads) => payloads.map((payload) => seal(compress(payload), key)),
    decode: async (payloads) => payloads.map((payload) => decompress(open(payload, keys))),
  };
}

function compress(payload: Payload): Payload {
  if (!payload.data || payload.data.length < compressBytesMin) return payload;
  const data = snappy.compressSync(bufferOf(payload.data));
  return data.length < payload.data.length ? wrap(payload, 'binary/snappy', data) : payload;
}

function decompress(payload: Payload): Payload {
  return encodingOf(payload) === 'binary/snappy'
    ? unwrap(payload, snappy.uncompressSync(bufferOf(payload.data!)) as Buffer)
    : payload;
}

function seal(payload: Payload, key: CodecKey | undefined): Payload {
  if (!key || !payload.data?.length) return payload;
  const nonce = randomBytes(nonceBytes);
  const cipher = createCipheriv('aes-256-gcm', key.key, nonce);
  const sealed = [cipher.update(payload.data), cipher.final()];
  const wrapped = wrap(payload, 'binary/aes-256-gcm', Buffer.concat([nonce, cipher.getAuthTag(), ...sealed]));
  return { ...wrapped, metadata: { ...wrapped.metadata, 'headrace-key-id': text.encode(key.id) } };
}

function open(payload: Payload, keys: ReadonlyMap<string, CodecKey>): Payload {
  if (encodingOf(payload) !== 'binary/aes-256-gcm') return payload;
  const id = textOf.decode(payload.metadata!['headrace-key-id'] ?? new Uint8Array());
  const known = keys.get(id);
  if (!known) throw new Error(`payload was encrypted with key "${id}": add it to HEADRACE_CODEC_OLD_KEYS`);
  const data = bufferOf(payload.data!);
  const decipher = createDecipheriv('aes-256-gcm', known.key, data.subarray(0, nonceBytes));
  decipher.setAuthTag(data.subarray(nonceBytes, nonceBytes + tagBytes));
  const { 'headrace-key-id': _, ...metadata } = payload.metadata!;
  return unwrap(
    { ...payload, metadata },
    Buffer.concat([decipher.update(data.subarray(nonceBytes + tagBytes)), decipher.final()]),
  );
}

/** The inner encodings form a stack, innermost last, because a payload may be compressed and then encrypted. */
function wrap(payload: Payload, encoding: string, data: Buffer): Payload {
  const inner = payload.metadata?.['headrace-inner'];
  const stack = inner ? `${encodingOf(payload)},${textOf.decode(inner)}` : encodingOf(payload);
  return {
    ...payload,
    metadata: { ...payload.metadata, encoding: text.encode(encoding), 'headrace-inner': text.encode(stack) },
    data,
  };
}

function unwrap(payload: Payload, data: Buffer): Payload {
  const { 'headrace-inner': inner, ...metadata } = payload.metadata!;
  const [encoding, ...rest] = textOf.decode(inner).split(',');
  metadata['encoding'] = text.encode(encoding);
  if (rest.length > 0) metadata['headrace-inner'] = text.encode(rest.join(','));
  return { ...payload, metadata, data };
}

function encodingOf(payload: Payload): string {
  return textOf.decode(payload.metadata?.['encoding'] ?? new Uint8Array());
}

function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
