import type { Message } from 'kafkajs';

/** Lengths, time, offset and attributes of a record, and its share of what surrounds it; at the most 40 bytes as Kafka writes them. */
const recordOverheadBytes = 48;
/** Two lengths of at most five bytes. */
const headerOverheadBytes = 10;

/** Cuts messages, in order, into parts of at most `bytesMax` as Kafka stores them. A message larger than that is a part of its own. */
export function cutMessages(messages: readonly Message[], bytesMax: number): { messages: Message[]; bytes: number }[] {
  const parts: { messages: Message[]; bytes: number }[] = [];
  let part: { messages: Message[]; bytes: number } | undefined;
  for (const message of messages) {
    const bytes = messageBytes(message);
    if (!part || part.bytes + bytes > bytesMax) parts.push((part = { messages: [], bytes: 0 }));
    part.messages.push(message);
    part.bytes += bytes;
  }
  return parts;
}

/** How many bytes a message occupies at most, uncompressed, with its key and its headers. */
function messageBytes({ key, value, headers }: Pick<Message, 'key' | 'value' | 'headers'>): number {
  let bytes = recordOverheadBytes + bytesOf(key) + bytesOf(value);
  for (const name in headers) {
    const values = headers[name];
    for (const each of Array.isArray(values) ? values : [values]) bytes += headerOverheadBytes + Buffer.byteLength(name) + bytesOf(each);
  }
  return bytes;
}

function bytesOf(value: string | Buffer | null | undefined): number {
  return value === null || value === undefined ? 0 : Buffer.byteLength(value);
}
