import type { Pool } from 'pg';

/** First broken link of a pipeline's audit chain: the sequence number of the row; null when every hash holds. */
export async function findAuditBreak(pool: Pool, pipeline: string): Promise<number | null> {
  const { rows } = await pool.query<{ sequence: string }>(
    `select sequence from (
       select entry.sequence, entry.hash = review_audit_hash(entry.*::review_audit) as intact,
         lag(entry.hash, 1, ''::bytea) over chain = entry.previous_hash as linked, entry.sequence = row_number() over chain as numbered
       from review_audit entry where pipeline = $1 window chain as (order by entry.sequence)
     ) link where not (intact and linked and numbered) order by sequence limit 1`,
    [pipeline],
  );
  return rows[0] ? Number(rows[0].sequence) : null;
}
