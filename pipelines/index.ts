/**
 * What a user writes: `definePipeline`, the loading of pipelines, and the decoding of records to events.
 * The shipped pipelines have one folder each, written as a user would.
 * A simulator beside a pipeline is a program of its own.
 */
export { type DecodedEvent, type DecodingTime, decodeEvents } from './decode-event.ts';
export {
  type FeatureHelpers,
  type PipelineDefinition,
  PipelineDefinitionError,
  type Summand,
  type WindowOptions,
  definePipeline,
} from './define.ts';
export { loadPipelines } from './load.ts';
export { describeFormat } from './value-format/describe-format.ts';
