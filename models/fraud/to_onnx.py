"""Writes boosted trees as one ONNX graph: input `features` FP32 [-1, F], output `score` FP32 [-1, 1].

Only what is served is in the file: a tree ensemble that adds up, and a sigmoid. The usual converters add a label output and a
second probability column, which no caller needs.
"""

import json

import onnx
from onnx import TensorProto, helper


def to_onnx(booster, feature_count: int, description: str) -> onnx.ModelProto:
    nodes = Nodes()
    for tree_id, text in enumerate(booster.get_dump(dump_format="json")):
        nodes.add(tree_id, json.loads(text))
    base_score = float(json.loads(booster.save_config())["learner"]["learner_model_param"]["base_score"].strip("[]"))
    if base_score != 0.5:
        raise ValueError(f"base_score must be 0.5, whose logit is 0, and is {base_score}")
    graph = helper.make_graph(
        [
            helper.make_node("TreeEnsembleRegressor", ["features"], ["margin"], domain="ai.onnx.ml", n_targets=1,
                             post_transform="NONE", aggregate_function="SUM", **nodes.attributes()),
            helper.make_node("Sigmoid", ["margin"], ["score"]),
        ],
        "fraud",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, [None, feature_count])],
        [helper.make_tensor_value_info("score", TensorProto.FLOAT, [None, 1])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)],
                              ir_version=8, producer_name="headrace models/fraud", doc_string=description)
    onnx.checker.check_model(model)
    return model


class Nodes:
    """The trees as the parallel lists that ONNX wants."""

    def __init__(self):
        self.rows = []
        self.leaves = []

    def add(self, tree_id: int, node: dict) -> None:
        node_id = node["nodeid"]
        if "leaf" in node:
            self.rows.append((tree_id, node_id, "LEAF", 0, 0.0, 0, 0, 0))
            self.leaves.append((tree_id, node_id, node["leaf"]))
            return
        # A missing value does not occur: every feature is a number. The branch for it is kept all the same.
        missing_is_true = int(node["missing"] == node["yes"])
        feature = int(node["split"].removeprefix("f"))
        self.rows.append((tree_id, node_id, "BRANCH_LT", feature, node["split_condition"], node["yes"], node["no"], missing_is_true))
        for child in node["children"]:
            self.add(tree_id, child)

    def attributes(self) -> dict:
        tree_ids, node_ids, modes, features, values, yes, no, missing = map(list, zip(*self.rows))
        leaf_trees, leaf_nodes, weights = map(list, zip(*self.leaves))
        return {
            "nodes_treeids": tree_ids, "nodes_nodeids": node_ids, "nodes_modes": modes, "nodes_featureids": features,
            "nodes_values": [float(value) for value in values], "nodes_truenodeids": yes, "nodes_falsenodeids": no,
            "nodes_missing_value_tracks_true": missing,
            "target_treeids": leaf_trees, "target_nodeids": leaf_nodes, "target_ids": [0] * len(weights),
            "target_weights": [float(weight) for weight in weights],
        }
