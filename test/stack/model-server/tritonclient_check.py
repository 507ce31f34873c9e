"""Drives a server that serves fixtures/repository with NVIDIA's own client. Usage: tritonclient_check.py HOST:PORT. Prints one JSON line of what it saw."""

import json
import sys

import numpy as np
import tritonclient.grpc as triton
from tritonclient.utils import InferenceServerException

client = triton.InferenceServerClient(sys.argv[1])
seen = {}


def tensor(name, array, datatype):
    value = triton.InferInput(name, list(array.shape), datatype)
    value.set_data_from_numpy(array)
    return value


def error_of(call):
    try:
        call()
    except InferenceServerException as error:
        return [error.status(), error.message()]
    return ["no error", ""]


seen["live"] = client.is_server_live() and client.is_server_ready() and client.is_model_ready("linear")
seen["metadata"] = client.get_model_metadata("linear", as_json=True)
seen["config"] = client.get_model_config("linear", as_json=True)["config"]
seen["server"] = client.get_server_metadata(as_json=True)

rows = np.arange(2048 * 3, dtype=np.float32).reshape(-1, 3)
result = client.infer("linear", [tensor("x", rows, "FP32")], model_version="1", request_id="from-python", outputs=[triton.InferRequestedOutput("y")])
expected = rows @ np.array([[1], [2], [4]], dtype=np.float32) + np.float32(0.5)
seen["scores_equal"] = bool(np.array_equal(result.as_numpy("y"), expected))
seen["response"] = [result.get_response().model_version, result.get_response().id]

arrays = {
    "bool": ("BOOL", np.array([True, False])), "uint8": ("UINT8", np.array([255], np.uint8)), "uint16": ("UINT16", np.array([65535], np.uint16)),
    "uint32": ("UINT32", np.array([2**32 - 1], np.uint32)), "uint64": ("UINT64", np.array([2**64 - 1], np.uint64)),
    "int8": ("INT8", np.array([-128], np.int8)), "int16": ("INT16", np.array([-32768], np.int16)), "int32": ("INT32", np.array([-(2**31)], np.int32)),
    "int64": ("INT64", np.array([-(2**63)], np.int64)), "fp16": ("FP16", np.array([0.5, -2], np.float16)), "fp32": ("FP32", np.array([np.nan, 1], np.float32)),
    "fp64": ("FP64", np.array([np.inf], np.float64)), "bytes": ("BYTES", np.array(["Grüße".encode(), b""], dtype=np.object_)),
}
result = client.infer("identity", [tensor("in_" + name, array, datatype) for name, (datatype, array) in arrays.items()])
seen["types_equal"] = [name for name, (datatype, array) in arrays.items()
                       if np.array_equal(result.as_numpy("out_" + name), array, equal_nan=datatype.startswith("FP"))]

seen["errors"] = {
    "unknown": error_of(lambda: client.infer("nobody", [tensor("x", rows[:1], "FP32")])),
    "shape": error_of(lambda: client.infer("linear", [tensor("x", rows[:1, :2].copy(), "FP32")])),
    "dtype": error_of(lambda: client.infer("linear", [tensor("x", rows[:1].astype(np.float64), "FP64")])),
    "load": error_of(lambda: client.load_model("nobody")),
}
client.unload_model("picky")
seen["unloaded"] = client.is_model_ready("picky")
client.load_model("picky")
seen["loaded"] = client.is_model_ready("picky")
seen["index"] = client.get_model_repository_index(as_json=True)["models"]
seen["statistics"] = client.get_inference_statistics("linear", "1", as_json=True)["model_stats"][0]["inference_count"]
print(json.dumps(seen))
