"""Reads a run's records and samples with pandas: records.py FOLDER METRIC BACKEND BASELINE.

Prints the metric of every backend at every length, with interval and n, and the paired difference of
two backends from their samples. docs/records.md has the columns.
"""

import sys

import pandas as pd

folder, metric, backend, baseline = sys.argv[1:]


def read(name):
    # As written: an id of digits stays a text, a time stays a text, numbers keep their last bit.
    return pd.read_json(
        f"{folder}/{name}", lines=True, dtype=False, convert_dates=False, precise_float=True
    )


records = read("records.jsonl")
pooled = records[
    (records.status == "ok")
    & (records.metric == metric)
    & (records.subtask == "")
    & records.depth.isna()
]
for row in pooled.sort_values(["context_length", "backend"]).itertuples():
    print(
        f"{row.backend} at {row.context_length}: "
        f"{row.value:.3f} [{row.ci_low:.3f}, {row.ci_high:.3f}], n = {row.n:.0f}"
    )

samples = read("samples.jsonl")
samples["score"] = samples.scores.map(lambda scores: scores.get(metric.split("/")[-1]))
samples = samples[["cell_id", "sample_sha", "score"]].merge(
    pooled[["cell_id", "backend", "context_length", "seed", "lr"]], on="cell_id"
)
pairs = samples[samples.backend == backend].merge(
    samples[samples.backend == baseline], on=["sample_sha", "context_length", "seed", "lr"]
)
for length, group in pairs.groupby("context_length"):
    difference = (group.score_x - group.score_y).mean()
    print(f"{backend} - {baseline} at {length}: {difference:+.3f} over {len(group)} samples")

# records.csv has the same rows. Read as text and turn into numbers what is wanted as numbers: else
# an id such as 12e4 becomes a number, and a backend called NA a null. astype(float) keeps the last
# bit, pd.to_numeric does not.
table = pd.read_csv(f"{folder}/records.csv", dtype=str, keep_default_na=False)
assert table.cell_id.tolist() == records.cell_id.tolist()
assert table.value.replace("", "nan").astype(float).equals(records.value.astype(float))
