"""Reads metrics back with a tracker's own library, for bench/trackers.mjs; prints {name: [[step, value], ...]} as JSON.

python bench/peers/read_trackers.py tensorboard FOLDER
python bench/peers/read_trackers.py mlflow SERVER
python bench/peers/read_trackers.py trackio CSV_FILE JSONL_FILE

MLflow's one run of the experiment `kvd` must have finished. Trackio must read the same from both files; its `import_csv`
shortens names to ten letters and digits.
"""

import contextlib
import json
import os
import sys
import tempfile


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


with contextlib.redirect_stdout(sys.stderr):
    metrics = {"tensorboard": tensorboard, "mlflow": mlflow, "trackio": trackio}[sys.argv[1]](*sys.argv[2:])
print(json.dumps(metrics))
