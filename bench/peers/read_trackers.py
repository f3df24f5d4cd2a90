"""Reads metrics back with a tracker's own library, for bench/trackers.mjs; prints {name: [[step, value], ...]} as JSON.

python bench/peers/read_trackers.py tensorboard FOLDER
python bench/peers/read_trackers.py mlflow SERVER
python bench/peers/read_trackers.py trackio CSV_FILE JSONL_FILE
python bench/peers/read_trackers.py wandb CSV_FILE JSONL_FILE

MLflow's one run of the experiment `kvd` must have finished. Trackio must read the same from both files; its `import_csv`
shortens names to ten letters and digits. Weights & Biases has no reader of such files of its own: each row is logged, as its
guide to importing a CSV file does, without its server, and read back from the file that `wandb sync` would send.
"""

import contextlib
import csv
import json
import os
import struct
import sys
import tempfile
from pathlib import Path


def tensorboard(folder):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(folder, size_guidance={"scalars": 0})
    events.Reload()
    return {tag: [[event.step, event.value] for event in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


def mlflow(server):
    from mlflow import MlflowClient

    client = MlflowClient(server)
    (run,) = client.search_runs([client.get_experiment_by_name("kvd").experiment_id])
    assert run.info.status == "FINISHED", run.info.status
    assert run.data.params["training.max_steps"] == "30", run.data.params
    return {
        name: [[metric.step, metric.value] for metric in client.get_metric_history(run.info.run_id, name)]
        for name in run.data.metrics
    }


def trackio(csv_file, jsonl_file):
    os.environ["TRACKIO_DIR"] = tempfile.mkdtemp()
    import trackio
    from trackio.sqlite_storage import SQLiteStorage
    from trackio.utils import simplify_column_names

    def stored(project):
        (run,) = SQLiteStorage.get_runs(project)
        found = {}
        for row in SQLiteStorage.get_logs(project, run):
            for name, value in row.items():
                if name not in ("step", "timestamp"):
                    found.setdefault(name, []).append([row["step"], value])
        return found

    trackio.import_csv(csv_file, project="from-csv")
    trackio.init(project="from-jsonl", embed=False)
    with open(jsonl_file) as lines:
        for line in lines:
            row = json.loads(line)
            row.pop("timestamp")
            trackio.log(row, step=row.pop("step"))
    trackio.finish()
    metrics = stored("from-jsonl")
    short = simplify_column_names(list(metrics))
    expected = {short[name]: points for name, points in metrics.items()}
    assert stored("from-csv") == expected, (stored("from-csv"), expected)
    return metrics


def wandb_records(file):
    """Serialised records of Weights & Biases' run file: LevelDB's log format behind a header of seven bytes."""
    data, at, record = file.read_bytes(), 7, b""
    while at + 7 <= len(data):
        left_of_block = 32768 - at % 32768
        if left_of_block < 7:
            at += left_of_block
            continue
        _checksum, length, kind = struct.unpack("<IHB", data[at : at + 7])
        record += data[at + 7 : at + 7 + length]
        at += 7 + length
        # Whole records are of kind 1, the last pieces of others of kind 4.
        if kind in (1, 4):
            yield record
            record = b""


def wandb(csv_file, jsonl_file):
    os.environ.update(WANDB_MODE="offline", WANDB_SILENT="true")
    import wandb
    from wandb.proto import wandb_internal_pb2

    def logged(rows):
        folder = tempfile.mkdtemp()
        run = wandb.init(project="kvd", dir=folder)
        for row in rows:
            values = {name: float(value) for name, value in row.items() if name not in ("step", "timestamp") and value != ""}
            run.log(values, step=int(row["step"]))
        run.finish()
        (file,) = Path(folder).glob("wandb/offline-run-*/*.wandb")
        found = {}
        for data in wandb_records(file):
            record = wandb_internal_pb2.Record()
            record.ParseFromString(data)
            values = {item.key or item.nested_key[0]: json.loads(item.value_json) for item in record.history.item}
            for name, value in values.items():
                if not name.startswith("_"):
                    found.setdefault(name, []).append([values["_step"], value])
        return found

    with open(csv_file, newline="") as lines:
        from_csv = logged(csv.DictReader(lines))
    with open(jsonl_file) as lines:
        from_jsonl = logged(json.loads(line) for line in lines)
    assert from_csv == from_jsonl, (from_csv, from_jsonl)
    return from_csv


with contextlib.redirect_stdout(sys.stderr):
    metrics = {"tensorboard": tensorboard, "mlflow": mlflow, "trackio": trackio, "wandb": wandb}[sys.argv[1]](*sys.argv[2:])
print(json.dumps(metrics))
