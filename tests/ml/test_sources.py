import argparse
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ml import commands, errors, files
from ml.datasets import face_set, fairface, sources
from ml.model import card as cards
from ml.model import checkpoint, network, trunks
from ml.preprocess import Chip, Preset


def source_of(*arguments: str) -> sources.Source:
    parser = argparse.ArgumentParser()
    sources.add_arguments(parser)
    return sources.from_arguments(parser.parse_args(arguments))


def test_fairface_is_read_by_its_label_file(small_fairface):
    source = source_of("--data", str(small_fairface), "--labels", fairface.TRAIN_CSV, "--limit", "5")
    faces = sources.read_source(source, preset=Preset(size=32))
    assert (source.reader, len(faces), faces.images.shape) == ("fairface", 5, (5, 32, 32, 3))


def test_only_a_folder_means_the_validation_images(tmp_path):
    (tmp_path / "val.zip").touch()
    source = source_of("--data", str(tmp_path))
    assert (source.shards, source.label_file) == (("val.zip",), fairface.VAL_CSV)


def test_a_list_in_a_taxonomy_is_read(small_fairface, tmp_path):
    (tmp_path / "val.txt").write_text("train/1.webp Asian\ntrain/2.webp 1\n")
    source = source_of(
        *("--data", str(small_fairface), "--list", str(tmp_path / "val.txt")),
        *("--taxonomy", "list-5", "--order", "Asian,Black,Indian"),
    )
    faces = sources.read_source(source, preset=Preset(size=32))
    assert [faces.classes["race"].names[i] for i in faces.targets["race"]] == ["Asian", "Black"]


def test_utkface_can_be_told_in_four_groups():
    five, four = (face_set.classes_in("race", taxonomy=name) for name in ("utkface-5", "utkface-4"))
    faces = face_set.FaceSet(np.zeros((5, 2, 2, 3), np.uint8), {"race": np.arange(5)}, tuple("abcde"), {"race": five})
    with pytest.warns(errors.DataWarning, match="1 labels of race are dropped: Others is in none of White, Black"):
        again = faces.regroup("race", four)
    assert again.targets["race"].tolist() == [0, 1, 2, 3, face_set.UNKNOWN]
    with pytest.warns(errors.DataWarning, match="1 of 5 images are left out: no label of race"):
        kept = again.keep_attributes(["race"])
    assert kept.files == ("a", "b", "c", "d")
    assert kept.left_out == {"no label of race": 1}
    assert face_set.join_faces([kept, kept]).left_out == {"no label of race": 2}


def test_a_smaller_margin_shows_the_middle_of_the_image(small_fairface):
    source = sources.Source(small_fairface, limit=2)
    wide, narrow = (
        sources.read_source(source, preset=Preset(size=size, margin=m)).images for size, m in ((36, 0.25), (24, 0.0))
    )
    assert np.array_equal(narrow, wide[:, 6:30, 6:30])


def test_a_margin_that_the_images_do_not_show_is_refused(small_fairface):
    with pytest.raises(errors.BadRecipe, match="margin of 1"):
        sources.read_source(sources.Source(small_fairface), preset=Preset(margin=1.0))


def test_a_wide_preset_widens_the_crop_of_a_photo():
    assert Preset(margin=1.25).widen(Chip(5, 6, 30.0, 2.0)) == Chip(5, 6, 70.0, 2.0)
    assert Preset().widen(Chip(5, 6, 30.0, 2.0)).side == 30.0


def test_the_margin_travels_with_the_checkpoint(tmp_path, tiny):
    net, card = tiny
    wide = cards.replace(card, preset=Preset(size=32, margin=1.25))
    checkpoint.save(tmp_path, net=net, card=wide)
    assert checkpoint.load(tmp_path)[1].preset == wide.preset


def test_labels_of_ones_own_load_only_where_asked_for(tmp_path, tiny):
    _, card = tiny
    own = {"gender": ("Female", "Male", "Non-binary")}
    net = network.AttributeNet(trunks.create_trunk("tiny"), attributes=own)
    checkpoint.save(tmp_path, net=net, card=cards.replace(card, labels=own))
    with pytest.raises(cards.OtherLabels):
        checkpoint.load(tmp_path)
    assert checkpoint.load(tmp_path, own_labels=True)[1].labels == own


@pytest.mark.parametrize(
    "arguments",
    [("--data", "nowhere"), ("--data", ".", "--list", "none.txt"), ("--data", ".", "--reader", "list")],
)
def test_bad_sources_are_told_in_a_line(arguments, capsys):
    parser = argparse.ArgumentParser()
    with pytest.raises(SystemExit) as stop, commands.told_errors(parser):
        sources.read_source(source_of(*arguments), preset=Preset())
    assert stop.value.code == 2
    assert "error:" in capsys.readouterr().err


def test_a_warning_about_data_is_a_line(capsys):
    with commands.told_errors(argparse.ArgumentParser()):
        warnings.warn("two images left out", errors.DataWarning, stacklevel=1)
    assert capsys.readouterr().err == "warning: two images left out\n"


def test_a_file_is_replaced_whole(tmp_path: Path):
    path = tmp_path / "new" / "a.txt"
    files.replace_file(path, "one")
    files.replace_file(path, b"two")
    assert path.read_text() == "two"
    assert [found.name for found in path.parent.iterdir()] == ["a.txt"]


def test_of_files_that_belong_together_all_are_replaced_or_none(tmp_path: Path):
    first, second = tmp_path / "a", tmp_path / "b"
    files.replace_files({first: b"1", second: b"2"})
    with pytest.raises(TypeError):
        files.replace_files({first: b"3", second: None})  # type: ignore[dict-item]
    assert (first.read_bytes(), second.read_bytes()) == (b"1", b"2")
    assert sorted(found.name for found in tmp_path.iterdir()) == ["a", "b"]


def test_images_that_show_more_than_a_chip_can_be_named(small_fairface):
    source = source_of(
        "--data", str(small_fairface), "--labels", fairface.TRAIN_CSV, "--margin", "1.25", "--limit", "2"
    )
    assert sources.read_source(source, preset=Preset(size=32, margin=1.25)).images.shape == (2, 32, 32, 3)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--taxonomy", "utkface-4"], "reader fairface has its own classes: leave taxonomy out"),
        (["--reader", "utkface", "--classes", "a,b"], "reader utkface has its own classes: leave classes out"),
        (["--reader", "folders", "--order", "a,b"], "leave order out"),
        (["--margin", "-1"], "at least 0"),
        (["--margin", "nan"], "at least 0"),
    ],
)
def test_options_that_would_change_nothing_are_told(small_fairface, options, told):
    source = source_of("--data", str(small_fairface), *options)
    with pytest.raises(errors.BadRecipe, match=told):
        sources.read_source(source, preset=Preset(size=32))


@pytest.mark.parametrize("limit", ["0", "-3", "many"])
def test_a_limit_is_a_number_of_images(limit, capsys):
    with pytest.raises(SystemExit):
        source_of("--data", "x", "--limit", limit)
    assert "no whole number of at least 1" in capsys.readouterr().err


def test_a_limit_takes_from_all_the_folders(tmp_path):
    for number in range(12):
        folder = tmp_path / ("Asian", "Black", "White")[number // 4]
        folder.mkdir(exist_ok=True)
        Image.new("RGB", (8, 8), (20 * number, 0, 0)).save(folder / f"{number}.png")
    source = source_of("--data", str(tmp_path), "--reader", "folders", "--limit", "3")
    faces = sources.read_source(source, preset=Preset(size=8))
    assert faces.targets["race"].tolist() == [0, 1, 2]


def test_marks_that_editors_put_before_a_text_are_no_part_of_it(tmp_path):
    Image.new("RGB", (8, 8)).save(tmp_path / "é.png")
    (tmp_path / "labels.csv").write_text("file,age,gender,race\né.png,20-29,Male,Black\n", encoding="utf-8-sig")
    (tmp_path / "list.txt").write_text("é.png Black\n", encoding="utf-8-sig")
    of_labels = source_of("--data", str(tmp_path), "--labels", "labels.csv")
    of_list = source_of("--data", str(tmp_path), "--list", str(tmp_path / "list.txt"))
    for source in (of_labels, of_list):
        assert sources.read_source(source, preset=Preset(size=8)).files == ("é.png",)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "lacks columns: file, race, gender, age"),
        (b"file,age,race\na.png,20-29,Black\n", "lacks columns: gender"),
        (b"file,age,gender,race\n\xff\xfe.png,20-29,Male,Black\n", "is not in UTF-8 .line 2: "),
        (b"file,age,gender,race\n" + b"a" * 200_000, "is no CSV: line 2: "),
    ],
)
def test_a_bad_label_file_is_told(tmp_path, content, told):
    (tmp_path / "labels.csv").write_bytes(content)
    source = source_of("--data", str(tmp_path), "--labels", "labels.csv")
    with pytest.raises(face_set.BadData, match=told):
        sources.read_source(source, preset=Preset(size=8))
