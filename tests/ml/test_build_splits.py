import csv
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ml import build_splits, errors
from ml.datasets import face_set, lists, splits


@pytest.fixture
def utkface_folder(tmp_path) -> Path:
    """60 different faces by their names, of which five lie there a second time under another name and quality."""
    folder = tmp_path / "utkface"
    folder.mkdir()
    for number in range(60):
        coarse = np.random.default_rng(number).integers(0, 255, (20, 20, 3), dtype=np.uint8)
        image = Image.fromarray(coarse).resize((64, 64), Image.Resampling.BICUBIC)
        labels = f"{number % 2 * 30}_{number % 2}_{number % 3 * 2}"
        image.save(folder / f"{labels}_{number}.chip.jpg", quality=95)
        if number < 5:
            image.save(folder / f"{labels}_{number}again.chip.jpg", quality=70)
    return folder


def build(folder: Path, out: Path, *more: str) -> dict[str, list[tuple[str, str]]]:
    """The lists as (path, label) after a run."""
    assert build_splits.main(["--utkface", str(folder), "--out", str(out), *more]) == 0
    return {
        part: [tuple(line.split("\t")) for line in (out / f"{part}.txt").read_text().splitlines()]
        for part in build_splits.PARTS
    }


def test_the_lists_hold_every_image_once_and_the_same_images_together(utkface_folder, tmp_path, capsys):
    found = build(utkface_folder, tmp_path / "out")
    assert {part: len(lines) for part, lines in found.items()} == {"train": 39, "val": 13, "test": 13}
    where = {name: part for part, lines in found.items() for name, _ in lines}
    assert len(where) == 65
    for name in where:
        if "again" in name:
            assert where[name] == where[name.replace("again", "")]
    assert "65 images, 5 of them the same as another" in capsys.readouterr().out


def test_every_part_has_about_the_same_groups(utkface_folder, tmp_path):
    found = build(utkface_folder, tmp_path / "out")
    shares = {part: Counter(label for _, label in lines) for part, lines in found.items()}
    for part, counts in shares.items():
        assert set(counts) == {"White", "Asian", "Others"}, part
        assert max(counts.values()) <= 1.7 * min(counts.values()), part


def test_the_seed_decides(utkface_folder, tmp_path):
    one = build(utkface_folder, tmp_path / "one")
    assert build(utkface_folder, tmp_path / "again") == one
    assert build(utkface_folder, tmp_path / "two", "--seed", "2") != one


def test_counts_and_figure_agree_with_the_lists(utkface_folder, tmp_path):
    out = tmp_path / "out"
    found = build(utkface_folder, out)
    with open(out / build_splits.COUNTS_FILE, newline="") as file:
        rows = list(csv.DictReader(file))
    counted = {(row["split"], row["label"]): int(row["images"]) for row in rows if row["attribute"] == "race"}
    for part, lines in found.items():
        counts = Counter(label for _, label in lines)
        assert all(counted[part, label] == counts[label] for label in ("White", "Black", "Asian", "Indian", "Others"))
    for attribute in ("gender", "age"):
        assert sum(int(row["images"]) for row in rows if row["attribute"] == attribute) == 65
    with Image.open(out / build_splits.FIGURE_FILE) as figure:
        assert figure.width > 1000
    assert not list(out.glob("*.part"))


def test_the_lists_are_what_the_list_reader_reads(utkface_folder, tmp_path):
    four = face_set.classes_in("race", taxonomy="utkface-4")
    build(utkface_folder, tmp_path / "out", "--taxonomy", "utkface-4", "--shares", "75", "25", "0")
    training, validation = (
        lists.read_list(tmp_path / "out" / f"{part}.txt", classes=four, size=24, root=utkface_folder)
        for part in ("train", "val")
    )
    assert training.count_classes("race").keys() == {"White", "Black", "Asian", "Indian"}
    assert len(training) + len(validation) == 65 - sum("_4_" in path.name for path in utkface_folder.iterdir())
    with pytest.warns(errors.DataWarning, match="2 race classes: Black, Indian"):
        splits.check_split(training, validation)
    assert (tmp_path / "out" / "test.txt").read_text() == ""


def test_what_the_lists_leave_out_is_in_no_count(utkface_folder, tmp_path, capsys):
    out = tmp_path / "out"
    found = build(utkface_folder, out, "--taxonomy", "utkface-4")
    with open(out / build_splits.COUNTS_FILE, newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["label"] for row in rows if row["attribute"] == "race"} == {"White", "Black", "Asian", "Indian"}
    for part, lines in found.items():
        for attribute in ("race", "gender", "age"):
            of = [int(row["images"]) for row in rows if (row["split"], row["attribute"]) == (part, attribute)]
            assert sum(of) == len(lines), (part, attribute)
    assert [len(lines) for lines in found.values()] == [26, 9, 9]
    assert "21 images left out, the lists have no place for them: Others" in capsys.readouterr().err


def test_same_images_with_other_labels_are_told(utkface_folder, tmp_path, capsys):
    copy = utkface_folder / "99_0_1_x.chip.jpg"
    copy.write_bytes((utkface_folder / "0_0_0_0.chip.jpg").read_bytes())
    build(utkface_folder, tmp_path / "out")
    assert "images have other labels than the same image elsewhere" in capsys.readouterr().err


def test_a_place_that_cannot_be_written_is_told_in_a_line(utkface_folder, tmp_path, capsys):
    (tmp_path / "file").touch()
    with pytest.raises(SystemExit) as stop:
        build(utkface_folder, tmp_path / "file")
    assert stop.value.code == 2
    assert "file" in capsys.readouterr().err.splitlines()[-1]


def test_names_without_labels_end_the_run_unless_skipped(utkface_folder, tmp_path, capsys):
    (utkface_folder / "61_1_x.chip.jpg").write_bytes(b"")
    (utkface_folder / "61_1_1_y.chip.jpg").write_bytes(b"not an image")
    with pytest.raises(SystemExit):
        build(utkface_folder, tmp_path / "out")
    assert "1 unknown labels: 61_1_x.chip.jpg" in capsys.readouterr().err
    found = build(utkface_folder, tmp_path / "out", "--skip-unknown")
    told = [line for line in capsys.readouterr().err.splitlines() if line.startswith("warning: ")]
    assert told == [
        "warning: 1 files left out, their labels are unknown: 61_1_x.chip.jpg",
        "warning: 1 images left out, they cannot be read: 61_1_1_y.chip.jpg",
    ]
    assert sum(map(len, found.values())) == 65
