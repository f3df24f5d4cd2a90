"""Parquet files of one table, in every compression and page version: python3 make.py (pyarrow 26.0.1)."""
import json
import pathlib

import pyarrow as pa
import pyarrow.parquet as pq

here = pathlib.Path(__file__).parent
rows = [
    {
        "id": i,
        "context": f"Row {i}: " + "äöü 漢字 🙂 " * (i % 5),
        "answers": [f"answer {i}.{j}" for j in range(i % 3)],
        "meta": {"title": f"title {i % 4}", "scores": [i / 2, i / 4]},
        "maybe": None if i % 3 == 0 else f"there {i}",
        "same": "always the same",
    }
    for i in range(40)
]
schema = pa.schema(
    [
        ("id", pa.int64()),
        ("context", pa.string()),
        ("answers", pa.list_(pa.string())),
        ("meta", pa.struct([("title", pa.string()), ("scores", pa.list_(pa.float64()))])),
        ("maybe", pa.string()),
        ("same", pa.string()),
    ]
)
table = pa.Table.from_pylist(rows, schema=schema)
for codec, version in [
    ("none", "1.0"),
    ("snappy", "1.0"),
    ("gzip", "2.0"),
    ("zstd", "1.0"),
    ("brotli", "2.0"),
    ("lz4", "1.0"),
]:
    pq.write_table(table, here / f"{codec}.parquet", compression=codec, data_page_version=version, row_group_size=9)
(here / "rows.json").write_text(json.dumps(rows, ensure_ascii=False, indent=0))

# A bomb: 36 kB that stand for 2^24 + 1 equal texts in one row group.
count = 2**24 + 1
texts = pa.chunked_array([pa.repeat("a", 2**20)] * 16 + [pa.repeat("a", 1)])
pq.write_table(
    pa.table({"text": texts}),
    here / "bomb.parquet",
    compression="zstd",
    row_group_size=count,
    write_batch_size=count,
    write_statistics=False,
)
