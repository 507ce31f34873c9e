"""Serves the model.onnx beside it from Triton's Python backend: PyPI's tritonserver has no ONNX backend."""

import json
import os

import numpy as np
import triton_python_backend_utils as pb_utils

# It would report to its maker (docs/privacy.md); read once, when the library loads.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
import onnxruntime  # noqa: E402


class TritonPythonModel:
    def initialize(self, args):
        path = os.path.join(args["model_repository"], args["model_version"], "model.onnx")
        self.inputs = [tensor["name"] for tensor in json.loads(args["model_config"])["input"]]
        self.session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])

    def execute(self, requests):
        return [self.answer(request) for request in requests]

    def answer(self, request):
        feeds = {name: pb_utils.get_input_tensor_by_name(request, name).as_numpy() for name in self.inputs}
        feeds = {name: np.char.decode(array.astype(np.bytes_), "utf-8") if array.dtype == object else array for name, array in feeds.items()}
        try:
            values = self.session.run(request.requested_output_names(), feeds)
        except Exception as error:
            return pb_utils.InferenceResponse(error=pb_utils.TritonError(str(error)))
        return pb_utils.InferenceResponse(
            [pb_utils.Tensor(name, value) for name, value in zip(request.requested_output_names(), values)]
        )
