"""Trains the fraud model on the table that main.ts wrote, and records how good it is on a later week.

    python models/fraud/train.py TABLE_FOLDER

Writes models/repository/fraud/1/model.onnx, models/candidates/fraud/2/model.onnx, models/fraud/measured.json and
models/fraud/known-scores.json. One thread and fixed seeds: the same table gives the same files.
"""

import json
import os
import sys
from pathlib import Path

import numpy as np
import onnx
import xgboost
from sklearn.metrics import average_precision_score, roc_auc_score

from to_onnx import to_onnx

# It would report to its maker (docs/privacy.md); read once, when the library loads.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
import onnxruntime  # noqa: E402

MODELS = Path(__file__).resolve().parent.parent
HERE = Path(__file__).resolve().parent

# Days since the first simulated one. In the week between, labels would not be known yet.
TEST_DAYS = range(157, 164)
THREADS = 1
SEED = 20180401

VERSIONS = {
    "1": {
        "file": MODELS / "repository/fraud/1/model.onnx",
        "train_days": range(94, 150),
        "trees": 100,
        "parameters": {"max_depth": 5, "eta": 0.1, "min_child_weight": 3, "subsample": 0.8, "colsample_bytree": 0.8},
    },
    "2": {
        "file": MODELS / "candidates/fraud/2/model.onnx",
        "train_days": range(122, 150),
        "trees": 40,
        "parameters": {"max_depth": 3, "eta": 0.2, "min_child_weight": 10, "subsample": 1.0, "colsample_bytree": 0.5},
    },
}


def read_table(folder: Path):
    table = json.loads((folder / "table.json").read_text())
    features = np.fromfile(folder / "features.f32", dtype="<f4").reshape(table["rows"], len(table["names"]))
    day, fraud, scenario, customer = np.fromfile(folder / "truth.u16", dtype="<u2").reshape(table["rows"], 4).T
    return table["names"], features, day, fraud, scenario, customer


def card_precision(scores, fraud, customer, day, cards=100):
    """Of the 100 customers with the highest scores of a day, how many had a fraud that day. Mean over the days."""
    precisions = []
    for one_day in np.unique(day):
        at = day == one_day
        best = {}
        for who, score, label in zip(customer[at], scores[at], fraud[at]):
            top, any_fraud = best.get(who, (-1.0, 0))
            best[who] = (max(top, score), max(any_fraud, label))
        ranked = sorted(best.values(), key=lambda entry: -entry[0])[:cards]
        precisions.append(sum(label for _, label in ranked) / cards)
    return float(np.mean(precisions))


def train(version: str, spec: dict, table) -> tuple[dict, onnxruntime.InferenceSession]:
    names, features, day, fraud, scenario, customer = table
    rows = np.isin(day, spec["train_days"])
    parameters = {
        "objective": "binary:logistic", "base_score": 0.5, "tree_method": "hist",
        # The frauds sit in the far tail of the amount: 256 bins would blur it.
        "max_bin": 4096, "nthread": THREADS, "seed": SEED, **spec["parameters"],
    }
    booster = xgboost.train(parameters, xgboost.DMatrix(features[rows], fraud[rows]), num_boost_round=spec["trees"])
    model = to_onnx(booster, len(names), f"fraud version {version}: {spec['trees']} trees over {', '.join(names)}")
    spec["file"].parent.mkdir(parents=True, exist_ok=True)
    spec["file"].write_bytes(model.SerializeToString())

    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    test = np.isin(day, TEST_DAYS)
    scores = session.run(["score"], {"features": features[test]})[0][:, 0]
    native = booster.predict(xgboost.DMatrix(features[test]))
    difference = float(np.abs(scores - native).max())
    if difference > 1e-6:
        raise ValueError(f"version {version}: the ONNX graph differs from XGBoost by {difference}")
    measured = {
        "train_days": [min(spec["train_days"]), max(spec["train_days"])],
        "train_rows": int(rows.sum()), "train_frauds": int(fraud[rows].sum()),
        "test_days": [min(TEST_DAYS), max(TEST_DAYS)], "test_rows": int(test.sum()), "test_frauds": int(fraud[test].sum()),
        "auc": round(float(roc_auc_score(fraud[test], scores)), 4),
        "average_precision": round(float(average_precision_score(fraud[test], scores)), 4),
        "card_precision_at_100": round(card_precision(scores, fraud[test], customer[test], day[test]), 4),
        "recall_at_1_percent": {
            str(which): round(float((scores >= np.quantile(scores, 0.99))[scenario[test] == which].mean()), 4) for which in (1, 2, 3)
        },
        "score_quantiles": {q: round(float(np.quantile(scores, float(q))), 4) for q in ("0.5", "0.9", "0.987", "0.99", "0.997", "0.999")},
        "file_bytes": spec["file"].stat().st_size,
    }
    return measured, session


def spread(rows, count):
    return rows[np.linspace(0, len(rows) - 1, count).astype(int)]


def main() -> None:
    table = read_table(Path(sys.argv[1]))
    names, features, day = table[:3]
    measured, sessions = {}, {}
    for version, spec in VERSIONS.items():
        measured[version], sessions[version] = train(version, spec, table)
        print(version, json.dumps(measured[version], indent=2))
    libraries = {"xgboost": xgboost.__version__, "onnx": onnx.__version__, "numpy": np.__version__}
    (HERE / "measured.json").write_text(json.dumps({"libraries": libraries, "versions": measured}, indent=2) + "\n")

    # Some of all rows, and some of those with the highest scores, so that every outcome is among them.
    test_rows = np.flatnonzero(np.isin(day, TEST_DAYS))
    first = sessions["1"].run(["score"], {"features": features[test_rows]})[0][:, 0]
    highest = test_rows[np.argsort(-first, kind="stable")[: len(test_rows) // 50]]
    rows = features[np.concatenate([spread(test_rows, 40), spread(highest, 24)])]
    scores = {version: [float(score) for score in session.run(["score"], {"features": rows})[0][:, 0]] for version, session in sessions.items()}
    lines = [json.dumps({"features": [float(value) for value in row], "scores": {version: scores[version][i] for version in scores}}) for i, row in enumerate(rows)]
    (HERE / "known-scores.json").write_text('{"names": ' + json.dumps(names) + ', "rows": [\n' + ",\n".join(lines) + "\n]}\n")


main()
