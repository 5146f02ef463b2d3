"""Another program that writes Delta tables below the folder in argv[1] while the server reads them.

Reads one step a line from standard input, does it and prints `ok <step>`; what fails is printed and ends it.
"""

import datetime as dt
import decimal
import pathlib
import shutil
import sys

import pyarrow as pa
from deltalake import DeltaTable, Field, write_deltalake
from deltalake.schema import PrimitiveType

ROOT = pathlib.Path(sys.argv[1])
TRIPS = str(ROOT / "public" / "trips")
PARTS = str(ROOT / "public" / "parts")


def rows(ids, **more):
    columns = {"id": pa.array(ids, pa.int64()), "city": [f"city {number}" for number in ids]}
    return pa.table(columns | {name: pa.array([value] * len(ids)) for name, value in more.items()})


def create():
    write_deltalake(TRIPS, rows([1, 2, 3]))


def append():
    write_deltalake(TRIPS, rows([4, 5]), mode="append", schema_mode="merge")


def append_with_new_column():
    write_deltalake(TRIPS, rows([6], fare=decimal.Decimal("1.50")), mode="append", schema_mode="merge")


def add_column():
    DeltaTable(TRIPS).alter.add_columns([Field("seen", PrimitiveType("timestamp"), nullable=True)])


def append_to_all_columns():
    seen = dt.datetime(2024, 2, 29, 12, tzinfo=dt.timezone.utc)
    write_deltalake(TRIPS, rows([7], fare=decimal.Decimal("2.25"), seen=seen), mode="append")


def delete():
    done = DeltaTable(TRIPS).delete("id % 2 = 0")
    assert done["num_deleted_rows"] == 3, done


def update():
    DeltaTable(TRIPS).update(predicate="id = 3", updates={"city": "'Oslo'"})


def merge():
    source = pa.table({"id": pa.array([3, 8], pa.int64()), "city": ["Bonn", "Ur"]})
    merging = DeltaTable(TRIPS).merge(source, predicate="s.id = t.id", source_alias="s", target_alias="t")
    merging = merging.when_matched_update({"city": "s.city"})
    merging.when_not_matched_insert({"id": "s.id", "city": "s.city"}).execute()


def checkpoint():
    table = DeltaTable(TRIPS)
    table.create_checkpoint()
    assert (pathlib.Path(TRIPS) / "_delta_log" / "_last_checkpoint").exists()


def forget_log():
    """What log clean-up leaves: the checkpoint, and no commit before it."""
    log = pathlib.Path(TRIPS) / "_delta_log"
    last = max(log.glob("*.checkpoint.parquet")).name.split(".")[0]
    for commit in log.glob("*.json"):
        if commit.stem < last:
            commit.unlink()


def compact():
    done = DeltaTable(TRIPS).optimize.compact()
    assert done["numFilesAdded"] >= 1 and done["numFilesRemoved"] > 1, done


def vacuum():
    gone = DeltaTable(TRIPS).vacuum(
        retention_hours=0, enforce_retention_duration=False, dry_run=False, full=True)
    assert gone, "nothing to remove"


def overwrite():
    table = pa.table({"id": ["a", "b"], "weight": pa.array([1.5, None], pa.float64())})
    write_deltalake(TRIPS, table, mode="overwrite", schema_mode="overwrite")


def anew():
    """Removes the folder and makes another table at the same place, at a version that was there before."""
    shutil.rmtree(TRIPS)
    write_deltalake(TRIPS, rows([100]))


def drop():
    shutil.rmtree(TRIPS)


def create_parts():
    write_deltalake(PARTS, parts("2024-01-01", 2), partition_by=["day"])


def append_part():
    write_deltalake(PARTS, parts("2024-01-02", 3), mode="append")


def overwrite_part():
    write_deltalake(PARTS, parts("2024-01-01", 1), mode="overwrite", predicate="day = '2024-01-01'")


def delete_part():
    DeltaTable(PARTS).delete("day = '2024-01-02'")


def restore_parts():
    DeltaTable(PARTS).restore(1)


def parts(day, count):
    return pa.table({"day": [dt.date.fromisoformat(day)] * count, "n": pa.array(range(count), pa.int32())})


def many_appends():
    for number in range(30):
        write_deltalake(TRIPS, rows([1000 + 2 * number, 1001 + 2 * number]), mode="append")


for line in sys.stdin:
    step = line.strip()
    globals()[step]()
    print("ok", step, flush=True)
