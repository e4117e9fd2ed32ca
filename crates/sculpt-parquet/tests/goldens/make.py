"""Writes the Parquet files of this folder that other programs made, and reads the one that ours made.

    pip install pyarrow==26.0.1 polars==2.1.0
    python make.py            # writes pyarrow-*.parquet and polars.parquet
    python make.py --check    # reads sculpt.parquet, which `cargo test -p sculpt-parquet` compares with what it writes

One table throughout, of which tests/tables.rs has the same formulas.
"""

import sys

import polars
import pyarrow
import pyarrow.parquet

N = 1000


def columns(n):
    every = range(n)
    return {
        "name": [None if i % 7 == 3 else f"β-{i % 5}" for i in every],
        "own": [f"{i:064x}" for i in every],
        "count": [None if i % 11 == 0 else (i * 2654435761) % 2**32 for i in every],
        "number": [None if i % 13 == 5 else i / 7 - 40 for i in every],
        "flag": [None if i % 17 == 1 else i % 3 == 0 for i in every],
        "none": [None for _ in every],
    }


SCHEMA = pyarrow.schema(
    [
        ("name", pyarrow.string()),
        ("own", pyarrow.string()),
        ("count", pyarrow.uint32()),
        ("number", pyarrow.float64()),
        ("flag", pyarrow.bool_()),
        ("none", pyarrow.float64()),
    ]
)


def make():
    table = pyarrow.table(columns(N), schema=SCHEMA)
    write = pyarrow.parquet.write_table
    write(table, "pyarrow-usual.parquet")
    write(table, "pyarrow-second-form.parquet", data_page_version="2.0", version="2.6")
    write(table, "pyarrow-plain.parquet", use_dictionary=False, compression="none")
    # Many groups and pages, and a column in which nothing can be missing.
    own = table.schema.get_field_index("own")
    required = table.schema.set(own, pyarrow.field("own", pyarrow.string(), nullable=False))
    write(table.cast(required), "pyarrow-small.parquet", row_group_size=300, data_page_size=64, write_batch_size=8)
    # What is refused: packed otherwise, nested, other numbers.
    write(table.slice(0, 9), "refused-zstd.parquet", compression="zstd")
    write(pyarrow.table({"x": [[1.0], [2.0, 3.0]]}), "refused-list.parquet")
    write(pyarrow.table({"x": pyarrow.array([1, 2], pyarrow.int64())}), "refused-int64.parquet")
    frame = polars.DataFrame(columns(N), schema_overrides={"count": polars.UInt32, "none": polars.Float64})
    frame.write_parquet("polars.parquet", compression="snappy")


def check():
    expected = columns(N)
    for read in [pyarrow.parquet.read_table("sculpt.parquet"), polars.read_parquet("sculpt.parquet").to_arrow()]:
        assert read.to_pydict() == expected
    table = pyarrow.parquet.read_table("sculpt.parquet")
    assert table.schema.equals(SCHEMA), table.schema
    print("sculpt.parquet is what it should be, by pyarrow and by polars")


if __name__ == "__main__":
    check() if "--check" in sys.argv else make()
