from collections import Counter
from pathlib import Path

from ml.predicting import finding
from ml.predicting.finding import PassedOver, Shard
from tests import pictures


def found(*paths: Path, **options):
    passed_over = PassedOver()
    return [path.name for path in finding.find_photos(paths, passed_over=passed_over, **options)], passed_over


def test_photos_are_told_by_their_first_bytes_or_by_their_name(tmp_path):
    for name in ("no_suffix", "photo.jfif", "photo.txt"):
        pictures.picture(8, 8).save(tmp_path / name, "JPEG")
    (tmp_path / "broken.jpg").write_text("its row says why it cannot be read")
    (tmp_path / "notes.txt").write_text("BMI and BMX: two words that begin like a bitmap")
    (tmp_path / "empty").touch()
    names, passed_over = found(tmp_path)
    assert names == ["broken.jpg", "no_suffix", "photo.jfif", "photo.txt"]
    assert passed_over.by_suffix == Counter({".txt": 1, "no suffix": 1})
    assert passed_over.tell() == (
        f"2 files are no photos and were passed over (1 no suffix, 1 .txt): {tmp_path}/empty, {tmp_path}/notes.txt"
    )


def test_what_is_named_is_looked_at_whatever_it_is(tmp_path):
    (tmp_path / "notes.txt").write_text("no photo")
    assert found(tmp_path / "notes.txt")[0] == ["notes.txt"]
    assert PassedOver().tell() == ""


def test_each_file_is_in_one_shard_wherever_it_runs(tmp_path):
    for number in range(60):
        (tmp_path / f"{number}.jpg").touch()
    parts = [found(tmp_path, shard=Shard(number, 4))[0] for number in (1, 2, 3, 4)]
    assert Counter(name for part in parts for name in part) == Counter(f"{n}.jpg" for n in range(60))
    assert all(5 <= len(part) <= 25 for part in parts)


def test_a_name_that_would_colour_the_terminal_is_told_on_one_line(tmp_path):
    (tmp_path / "a\x1b[31m\nb.log").write_text("x")
    _, passed_over = found(tmp_path)
    assert passed_over.tell().endswith("/a\\x1b[31m\\nb.log")
