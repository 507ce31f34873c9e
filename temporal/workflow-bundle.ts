import { fileURLToPath } from 'node:url';

/** Every workflow of Headrace. */
export const workflowsPath = fileURLToPath(new URL('../workflows/index.ts', import.meta.url));

/** All runs of a worker share the modules of the workflows, which would else be evaluated anew for each: see docs/performance/allocations.md. */
export const preloadModules = [workflowsPath];
