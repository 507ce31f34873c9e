import type { BatchRef } from '../contracts/event-key.ts';
import { HeadraceError } from '../contracts/failures.ts';
import type { AnyPipeline } from '../contracts/pipeline.ts';
import { headersIn } from '../contracts/record-headers.ts';
import type { BatchRecord } from '../contracts/records-frame.ts';
import type { RefusedInARow } from '../features/index.ts';
import { describeFormat } from '../pipelines/value-format/describe-format.ts';
import type { Halt } from './ports.ts';

/** How a batch is told that waits because its pipeline refuses everything. Names offsets, fields and formats, and no content. */
export function haltOf(
  pipeline: AnyPipeline,
  batch: BatchRef,
  records: readonly BatchRecord[],
  refused: RefusedInARow,
): { failure: HeadraceError; halt: Halt } {
  const { topic } = batch;
  const {
    last: { index, code, reason },
    count,
    before,
    first,
  } = refused;
  const { partition, offset, value, headers } = records[index]!;
  const { position } = batch.ranges.find((range) => range.partition === partition)!;
  const { looksLike, hint } = describeFormat(value, (parsed) => isEvent(pipeline, parsed), headerNames(headers));
  const lettered = Object.entries(first).map(([of, from]) => `${topic}-${of} from offset ${from}`);
  // The example comes first: lists cut long reasons.
  const failure = new HeadraceError(
    'REFUSED_IN_A_ROW',
    [
      `${count} records in a row are ${code} (${reason}); at offset ${offset} of ${topic}-${partition} is ${looksLike}`,
      `Pipeline "${pipeline.name}" halts here and makes no more dead letters${hint ? `. What may help: ${hint}` : ''}`,
      `Mend the pipeline or the producer and start the workers again, or let these records go into dead letters: npx headrace resume --pipeline ${pipeline.name}`,
      ...(before > 0
        ? [`Earlier ones have dead letters (${lettered.join(', ')}); headrace resume --from OFFSET reads them again`]
        : []),
    ].join('. '),
  );
  return {
    failure,
    halt: { pipeline: pipeline.name, topic, partition, position, offset, code, message: failure.message },
  };
}

/** Of a record with very many the first ones. */
const headersMax = 100;

function headerNames(headers: Uint8Array | undefined): string[] {
  const names: string[] = [];
  for (const [name] of headersIn(headers)) {
    names.push(Buffer.from(name).toString('latin1').toLowerCase());
    if (names.length === headersMax) break;
  }
  return names;
}

function isEvent(pipeline: AnyPipeline, parsed: unknown): boolean {
  try {
    return pipeline.event.safeParse(parsed).success;
  } catch {
    // A check of the pipeline's own that cannot take it; or one that is asynchronous.
    return false;
  }
}
