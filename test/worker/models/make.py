"""Makes the model repository of this folder: one model in each shape that people have. It is committed; run this only to change it:

    <venv>/bin/python test/worker/models/make.py      (the venv is made by test/inference-client/triton/setup.sh)

Each takes two features a and b, and answers a + 10 b in its own way. `live` has the model of the live tests' pipeline, for one row at a time.
"""

import pathlib

import onnx
from onnx import TensorProto, helper

REPOSITORY = pathlib.Path(__file__).parent / "repository"
LIVE = pathlib.Path(__file__).parent / "live"
FLOAT, DOUBLE, HALF, INT64 = TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16, TensorProto.INT64


def tensor(name, element_type, *shape):
    return helper.make_tensor_value_info(name, element_type, shape)


def constant(name, element_type, shape, values):
    return helper.make_tensor(name, element_type, shape, values)


def save(name, config, nodes, inputs, outputs, constants=()):
    graph = helper.make_graph(nodes, name, inputs, outputs, list(constants))
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)], ir_version=8, producer_name="headrace")
    onnx.checker.check_model(model)
    folder = (LIVE if name == "linear" else REPOSITORY) / name / "1"
    folder.mkdir(parents=True, exist_ok=True)
    onnx.save(model, folder / "model.onnx")
    (folder.parent / "config.pbtxt").write_text(f'backend: "onnxruntime"\n{config}')


def sums(name, config, rows, element_type=FLOAT, cast_to=None):
    """x [rows, 2] -> score [rows, 1], in the output type `cast_to`."""
    weights = constant("W", element_type, [2, 1], [1.0, 10.0])
    nodes = [helper.make_node("MatMul", ["x", "W"], ["score" if cast_to is None else "sum"])]
    if cast_to is not None:
        nodes.append(helper.make_node("Cast", ["sum"], ["score"], to=cast_to))
    save(name, config, nodes, [tensor("x", element_type, rows, 2)], [tensor("score", cast_to or element_type, rows, 1)], [weights])


def declared(max_batch_size, type_in, dims_in, type_out, dims_out):
    return f"""max_batch_size: {max_batch_size}
input [ {{ name: "x" data_type: TYPE_{type_in} dims: [ {dims_in} ] }} ]
output [ {{ name: "score" data_type: TYPE_{type_out} dims: [ {dims_out} ] }} ]
"""


sums("many", declared(2048, "FP32", "2", "FP32", "1"), None)
sums("three", declared(3, "FP32", "2", "FP32", "1"), None)
sums("anynumber", declared(0, "FP32", "-1, 2", "FP32", "-1, 1"), None)
sums("onerow", declared(0, "FP32", "1, 2", "FP32", "1, 1"), 1)
sums("pairs", declared(0, "FP32", "2, 2", "FP32", "2, 1"), 2)
sums("double", declared(64, "FP64", "2", "FP64", "1"), None, DOUBLE)
sums("half", declared(64, "FP32", "2", "FP16", "1"), None, FLOAT, HALF)
sums("count", declared(64, "FP32", "2", "INT64", "1"), None, FLOAT, INT64)

# What version 1 of test/inference-client/fixtures computes.
save(
    "linear", 'max_batch_size: 0\n', [helper.make_node("MatMul", ["x", "W"], ["xw"]), helper.make_node("Add", ["xw", "b"], ["y"])],
    [tensor("x", FLOAT, 1, 3)], [tensor("y", FLOAT, 1, 1)], [constant("W", FLOAT, [3, 1], [1.0, 2.0, 4.0]), constant("b", FLOAT, [1], [0.5])],
)
# Its input is a vector: one row and nothing more.
save(
    "vector", declared(0, "FP32", "2", "FP32", "1"), [helper.make_node("MatMul", ["x", "W"], ["score"])],
    [tensor("x", FLOAT, 2)], [tensor("score", FLOAT, 1)], [constant("W", FLOAT, [2, 1], [1.0, 10.0])],
)
# A row is a column of a matrix, as exporters of sequences write it.
save(
    "column", declared(64, "FP32", "2, 1", "FP32", "1"),
    [helper.make_node("Squeeze", ["x", "axis"], ["flat"]), helper.make_node("MatMul", ["flat", "W"], ["score"])],
    [tensor("x", FLOAT, None, 2, 1)], [tensor("score", FLOAT, None, 1)], [constant("axis", INT64, [1], [2]), constant("W", FLOAT, [2, 1], [1.0, 10.0])],
)
# Answers a matrix for each row: the sum, and the sum with 0.1 to 0.5 added.
save(
    "matrix", declared(64, "FP32", "2", "FP32", "3, 2"),
    [helper.make_node("MatMul", ["x", "W"], ["sum"]), helper.make_node("Unsqueeze", ["sum", "axis"], ["cube"]), helper.make_node("Add", ["cube", "offsets"], ["score"])],
    [tensor("x", FLOAT, None, 2)], [tensor("score", FLOAT, None, 3, 2)],
    [constant("axis", INT64, [1], [2]), constant("W", FLOAT, [2, 1], [1.0, 10.0]), constant("offsets", FLOAT, [3, 2], [0.0, 0.1, 0.2, 0.3, 0.4, 0.5])],
)
# As scikit-learn's classifiers are exported with zipmap off: the label is one number a row without a dimension of its own.
save(
    "labelled",
    """max_batch_size: 64
input [ { name: "x" data_type: TYPE_FP32 dims: [ 2 ] } ]
output [ { name: "score" data_type: TYPE_INT64 dims: [ 1 ] reshape { shape: [ ] } }, { name: "probabilities" data_type: TYPE_FP32 dims: [ 2 ] } ]
""",
    [
        helper.make_node("MatMul", ["x", "W"], ["sum"]), helper.make_node("Squeeze", ["sum", "axis"], ["flat"]),
        helper.make_node("Cast", ["flat"], ["score"], to=INT64), helper.make_node("Identity", ["x"], ["probabilities"]),
    ],
    [tensor("x", FLOAT, None, 2)], [tensor("score", INT64, None), tensor("probabilities", FLOAT, None, 2)],
    [constant("axis", INT64, [1], [1]), constant("W", FLOAT, [2, 1], [1.0, 10.0])],
)
