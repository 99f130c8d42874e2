import csv

import pytest

from ml.predicting.growing import GrowingTable, UnfinishedTable

COLUMNS = {"file": str, "status": str, "face": int, "model": str}
MODEL = "facet-9 0123456789ab"


def row(file, face=1, model=MODEL):
    return {"file": file, "status": "ok", "face": face, "model": model}


def names(path):
    with open(path, newline="", encoding="utf-8") as file:
        return [(line["file"], line["face"]) for line in csv.DictReader(file)]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "rows.csv"


def begin(path, **options):
    return GrowingTable(path, **({"columns": COLUMNS, "model": MODEL} | options))


def test_rows_have_their_name_only_when_all_are_there(path):
    path.write_text("before")
    table = begin(path)
    table.add([row("a.jpg"), row("=b.jpg")])
    assert path.read_text() == "before"
    assert names(table.unfinished) == [("a.jpg", "1"), ("'=b.jpg", "1")]
    table.finish()
    assert names(path) == [("a.jpg", "1"), ("'=b.jpg", "1")]
    assert not table.unfinished.exists()


@pytest.mark.parametrize("cut", range(1, 40, 3))
def test_wherever_a_run_was_killed_no_row_is_doubled_and_none_lost(path, cut):
    files = ["a.jpg", '\'=b, \n"c".jpg', "=d.jpg", "é.jpg"]
    table = begin(path)
    table.add([row(file, face) for file in files for face in (1, 2)])
    unfinished = table.unfinished
    unfinished.write_bytes(unfinished.read_bytes()[:-cut])
    table = begin(path, resume=True)
    assert not table.has(files[-1])
    assert table.kept == sum(table.has(file) for file in files)
    table.add([row(file, face) for file in files if not table.has(file) for face in (1, 2)])
    table.finish()
    told = names(path)
    assert len(told) == len(set(told)) == 8


def test_a_run_that_ended_is_gone_on_with_for_new_files(path):
    table = begin(path)
    table.add([row("a.jpg"), row("b.jpg")])
    table.finish()
    table = begin(path, resume=True)
    assert [table.has(file) for file in ("a.jpg", "b.jpg", "c.jpg")] == [True, True, False]
    assert len(names(path)) == 2
    table.add([row("c.jpg")])
    table.finish()
    assert len(names(path)) == 3


def test_what_another_run_left_is_neither_lost_nor_mixed_in(path):
    begin(path).add([row("a.jpg"), row("b.jpg")])
    with pytest.raises(UnfinishedTable, match="--resume goes on with it"):
        begin(path)
    with pytest.raises(UnfinishedTable, match="holds answers of facet-9"):
        begin(path, resume=True, model="facet-10 0123456789ab")
    with pytest.raises(UnfinishedTable, match="other columns"):
        begin(path, resume=True, columns=COLUMNS | {"more": str})
    assert len(names(begin(path, resume=True).unfinished)) == 1  # of the last file rows may have been missing
