import { bundleWorkflowCode, DefaultLogger } from '@temporalio/worker';
import { messageOf } from '../../contracts/failures.ts';
import { preloadModules, workflowsPath } from '../../temporal/workflow-bundle.ts';

// Writes the code of all workflows to standard output; what there is to say about it goes to standard error.
const [failureConverterPath] = process.argv.slice(2);
try {
  const { code } = await bundleWorkflowCode({
    workflowsPath,
    preloadModules,
    failureConverterPath,
    logger: new DefaultLogger('WARN'),
  });
  process.stdout.write(code);
} catch (error) {
  process.stderr.write(`${messageOf(error)}\n`);
  process.exitCode = 1;
}
