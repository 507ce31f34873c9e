import { DefaultFailureConverter } from '@temporalio/common';

/** Puts messages and stacks of failures into the payload that the codec encrypts. The SDK loads this file by its path. */
export const failureConverter = new DefaultFailureConverter({ encodeCommonAttributes: true });
