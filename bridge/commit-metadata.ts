import { createHash } from 'node:crypto';
import type { KafkaRecord } from '../contracts/records-frame.ts';

export {
  decodeCommitMetadata,
  encodeCommitMetadata,
  type CommitMetadata,
} from '../contracts/schemas/commit-metadata.ts';

/** Tells one record from another at the same offset. */
export function recordHash(record: KafkaRecord): string {
  const hash = createHash('sha256');
  hash.update(`${record.offset} ${record.timestampMs} ${record.key?.length ?? -1} `);
  if (record.key) hash.update(record.key);
  if (record.value) hash.update(record.value);
  return hash.digest('base64url').slice(0, 22);
}
