// Loads the pipelines of a folder in a process of its own, as all processes do, and prints what their schemas make of a value, or why not.
import { definitionOf } from '../../lib/schema-definition.ts';
import { loadPipelines } from '../../pipelines/load.ts';

const [dir, value] = process.argv.slice(2);
try {
  const [pipeline] = await loadPipelines({ dir: dir! });
  process.stdout.write(
    JSON.stringify({
      success: pipeline!.event.safeParse(JSON.parse(value!)).success,
      type: definitionOf(pipeline!.event).type,
      isOld: '_def' in pipeline!.event && !('_zod' in pipeline!.event),
    }),
  );
} catch (error) {
  process.stdout.write(JSON.stringify({ error: (error as Error).message }));
}
