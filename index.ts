/** What a pipeline file imports: `import { definePipeline } from 'headrace'`. */
export { definePipeline, PipelineDefinitionError } from './pipelines/define.ts';
export type { FeatureHelpers, PipelineDefinition, Summand, WindowOptions } from './pipelines/define.ts';
export type {
  DecideInput,
  Feature,
  Model,
  Pipeline,
  Prediction,
  ReviewPolicy,
  SinkBinding,
} from './contracts/pipeline.ts';
