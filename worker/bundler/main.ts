import { bundleWorkflowCode, DefaultLogger } from '@temporalio/worker';
import { preloadModules, workflowsPath } from '../../runtime/workflow-bundle.ts';

// Writes the code of all workflows to standard output; what there is to say about it goes to standard error.
const { code } = await bundleWorkflowCode({ workflowsPath, preloadModules, logger: new DefaultLogger('WARN') });
process.stdout.write(code);
