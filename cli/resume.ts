import type { Command } from 'commander';
import { dataDirOption, partitionNumbers, wholeNumber } from './options.ts';
import type { ResumeInput } from '../contracts/resume.ts';
import { createBatchRuns } from '../temporal/runs.ts';
import { connectTemporal } from '../temporal/connection.ts';
import { haltedText, problemOf, resumeText } from './resume-text.ts';
import { runResume } from '../temporal/resume-run.ts';
import { systemConfig } from './system-config.ts';

interface ResumeOptions {
  pipeline: string;
  partition: number[];
  from?: number;
  dataDir?: string;
}

/** Adds `headrace resume`: what somebody does about a pipeline that was halted because it refuses everything. */
export function registerResume(program: Command): void {
  program
    .command('resume')
    .description(
      'Let a pipeline go on that halts because it refuses everything (REFUSED_IN_A_ROW): its refused records become dead letters, until it accepts an event again. With --from, refused records are read again after the schema was mended.',
    )
    .requiredOption('--pipeline <name>', 'the pipeline')
    .option(
      '--partition <number>',
      'only this partition of its topic; may be given several times (default: all)',
      partitionNumbers,
      [],
    )
    .option(
      '--from <offset>',
      'read again what was refused from this offset on: records that the pipeline accepts now are written to the end of their partition',
      (text) => wholeNumber(text),
    )
    .option(...dataDirOption)
    .option('--verbose', 'show stacks of errors')
    .action(resumePipeline);
}

async function resumePipeline({ pipeline, partition, from, dataDir }: ResumeOptions): Promise<void> {
  const { config } = systemConfig(dataDir, process.env);
  if (!/^[a-z][a-z0-9-]{0,49}$/.test(pipeline)) throw new Error(`"${pipeline}" is no name of a pipeline`);
  const client = await connectTemporal(config);
  try {
    const halted = await createBatchRuns(client, config.deployment).halted(pipeline);
    const concerned = halted.filter(
      ({ ranges }) => partition.length === 0 || ranges.some((range) => partition.includes(range.partition)),
    );
    process.stdout.write(haltedText(halted));
    if (concerned.length === 0 && from === undefined)
      throw new Error(
        `nothing ${partition.length > 0 ? `on partition ${partition.join(', ')} ` : ''}of pipeline "${pipeline}" waits because of what it refuses, so there is nothing to resume (a batch that has just begun to wait is seen a moment later)`,
      );
    const input: ResumeInput = {
      deployment: config.deployment,
      pipeline,
      partitions: partition,
      ...(from === undefined ? {} : { from }),
    };
    const report = await runResume(client, input, halted[0]?.taskQueue ?? config.temporal.taskQueue);
    process.stdout.write(resumeText(input, report));
    const problem = problemOf(
      input,
      report,
      halted.flatMap(({ ranges }) => ranges.map((range): number => range.partition)),
    );
    if (problem) throw new Error(problem);
  } finally {
    await client.connection.close();
  }
}
