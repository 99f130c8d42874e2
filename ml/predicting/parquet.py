"""The rows of `ml.predict` as Parquet, with a type for each column; its library is an extra."""

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from ml.files import replacing
from ml.spreadsheets import unguard_cell

IS_WRITTEN = find_spec("pyarrow") is not None


def write_parquet(table: Path, *, to: Path, columns: Mapping[str, type]) -> None:
    """Write a finished CSV of rows anew, some thousand rows at a time. Raises OSError."""
    import pyarrow as pa
    from pyarrow import csv, parquet

    kinds = {str: pa.string(), int: pa.int32(), float: pa.float64(), bool: pa.bool_()}
    types = {name: kinds[kind] for name, kind in columns.items()}
    options = csv.ConvertOptions(column_types=types, null_values=[""], strings_can_be_null=True)
    reader = csv.open_csv(table, parse_options=csv.ParseOptions(newlines_in_values=True), convert_options=options)
    with replacing(to) as (part,), parquet.ParquetWriter(part, pa.schema(list(types.items()))) as writer:
        for batch in reader:
            names = pa.array([unguard_cell(name) for name in batch.column("file").to_pylist()], pa.string())
            writer.write_batch(batch.set_column(0, "file", names))
