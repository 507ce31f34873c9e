import { describeConformance } from './conformance.ts';
import { findEnvironment, withEnvironment } from './triton/environment.ts';
import { startTriton } from './triton/server.ts';

withEnvironment('conformance of the real tritonserver', await findEnvironment(), (environment) => {
  describeConformance('conformance of the real tritonserver', () => startTriton(environment));
});
