/** What a pipeline file imports: `import { definePipeline, count, mean, sum, value } from 'headrace'`. */
export { count, definePipeline, mean, PipelineDefinitionError, sum, value } from './pipelines/define.ts';
export type { PipelineDefinition, WindowOptions } from './pipelines/define.ts';
export type { DecideInput, Feature, Model, Pipeline, Prediction, ReviewPolicy, SinkBinding } from './contracts/pipeline.ts';
