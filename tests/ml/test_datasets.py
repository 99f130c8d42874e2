import csv
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest

from ml import errors, labels
from ml.datasets import face_set, fairface, folders, lists, utkface
from tests import pictures


def write_image(path: Path, *, seed: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pictures.jpeg(48, 48, seed=seed))


@pytest.fixture
def unpacked(tmp_path) -> Path:
    """Four images in FairFace's unpacked layout, three for training and one for validation."""
    rows = []
    for number in (1, 2, 3):
        write_image(tmp_path / "train" / f"{number}.jpg", seed=number)
        rows.append([f"train/{number}.jpg", "20-29", "Male", labels.RACE[number]])
    write_image(tmp_path / "val" / "1.jpg", seed=9)
    with open(tmp_path / fairface.TRAIN_CSV, "w", newline="") as file:
        csv.writer(file).writerows([["file", "age", "gender", "race"], *rows])
    return tmp_path


def test_an_unpacked_fairface_is_read_without_its_other_part(unpacked):
    faces = fairface.read_fairface(unpacked, label_file=fairface.TRAIN_CSV, size=24)
    assert faces.files == ("train/1.jpg", "train/2.jpg", "train/3.jpg")
    assert faces.targets["race"].tolist() == [1, 2, 3]
    assert len(set(faces.digests)) == 3
    assert faces.images.shape == (3, 24, 24, 3)


def test_a_label_file_may_have_columns_of_further_attributes(unpacked, declared_mask):
    told = {f"train/{number}.jpg": mask for number, mask in ((1, "mask"), (2, ""), (3, "no mask"))}
    with open(unpacked / fairface.TRAIN_CSV, newline="") as file:
        header, *rows = csv.reader(file)

    def read(**changed: str) -> face_set.FaceSet:
        with open(unpacked / fairface.TRAIN_CSV, "w", newline="") as file:
            masks = told | changed
            csv.writer(file).writerows([[*header, "mask"], *([*row, masks[row[0]]] for row in rows)])
        return fairface.read_fairface(unpacked, label_file=fairface.TRAIN_CSV, size=24)

    faces = read()
    assert list(faces.classes) == ["race", "gender", "age", "mask"]
    assert faces.targets["mask"].tolist() == [1, face_set.UNKNOWN, 0]
    with pytest.raises(face_set.UnknownLabels, match=r"1 unknown labels: train/2\.jpg"):
        read(**{"train/2.jpg": "a scarf"})


def test_a_label_file_of_fairfaces_own_needs_no_further_columns(unpacked, declared_mask):
    faces = fairface.read_fairface(unpacked, label_file=fairface.TRAIN_CSV, size=24)
    assert list(faces.classes) == list(faces.targets) == ["race", "gender", "age"]


def test_missing_files_are_an_error_with_their_count(unpacked):
    (unpacked / "train" / "2.jpg").unlink()
    with pytest.raises(face_set.MissingFiles, match=r"1 of 3 .*train/2\.jpg") as told:
        fairface.read_fairface(unpacked, label_file=fairface.TRAIN_CSV, size=24)
    assert told.value.count == 1
    with pytest.raises(face_set.MissingFiles, match=r"train-9\.zip"):
        fairface.read_fairface(unpacked, label_file=fairface.TRAIN_CSV, size=24, shards=["train-9.zip"])
    with pytest.raises(face_set.MissingFiles, match=r"other\.csv"):
        fairface.read_fairface(unpacked, label_file="other.csv", size=24)


def test_unknown_labels_are_an_error_unless_they_are_skipped(unpacked):
    write_image(unpacked / "train" / "4.jpg", seed=4)
    with open(unpacked / fairface.TRAIN_CSV, "a", newline="") as file:
        csv.writer(file).writerow(["train/4.jpg", "20-29", "Male", "Martian"])
    with pytest.raises(face_set.UnknownLabels, match=r"1 unknown labels: train/4\.jpg"):
        fairface.read_fairface(unpacked, label_file=fairface.TRAIN_CSV, size=24)
    with pytest.warns(errors.DataWarning, match="1 files left out"):
        faces = fairface.read_fairface(unpacked, label_file=fairface.TRAIN_CSV, size=24, skip_unknown=True)
    assert (len(faces), faces.left_out) == (3, {"unknown label": 1})


def test_label_files_are_read_as_spreadsheets_and_other_systems_write_them(unpacked):
    path = unpacked / fairface.TRAIN_CSV
    path.write_text(
        ' File ;AGE;Gender;"Race";service_test\n./train/1.jpg;70+;F;Latino/Hispanic\n'
        f"train\\2.jpg;Oct-19;Male;middle eastern;1\n\n{unpacked}/train/3.jpg;09-Mar;m;Black;\n"
    )
    faces = fairface.read_fairface(unpacked, label_file=path.name, size=24)
    assert faces.files == ("train/1.jpg", "train/2.jpg", "train/3.jpg")
    told = [faces.targets[attribute].tolist() for attribute in ("age", "gender", "race")]
    assert told == [[8, 2, 1], [1, 0, 0], [2, 6, 1]]
    path.write_text(path.read_text().replace(";", "\t").replace("Oct-19", "Nov-19"))
    with pytest.raises(face_set.UnknownLabels, match=r"train/2\.jpg \(line 3: age 'Nov-19'\)"):
        fairface.read_fairface(unpacked, label_file=path.name, size=24)


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ("./train/2.jpg,20-29,m,White", r"two things of train/2\.jpg: line 3: Latino_Hispanic and line 5: White"),
        ("train/2.jpg,20-29,Male,White,1,2", "line 5: 6 cells under 4 columns, the rest is: 1, 2"),
        ("train/2.jpg,Male,20-29,White", "two things of"),
    ],
)
def test_a_label_file_that_contradicts_itself_is_an_error(unpacked, row, told):
    with open(unpacked / fairface.TRAIN_CSV, "a") as file:
        file.write(f"{row}\n")
    with pytest.raises(face_set.BadData, match=told):
        fairface.read_fairface(unpacked, label_file=fairface.TRAIN_CSV, size=24)


def test_rows_that_only_repeat_others_are_told(unpacked):
    with open(unpacked / fairface.TRAIN_CSV, "a") as file:
        file.write("./train/2.jpg,20-29,male,latino\n")
    with pytest.warns(errors.DataWarning, match=r"1 rows of fairface_label_train\.csv repeat others"):
        assert len(fairface.read_fairface(unpacked, label_file=fairface.TRAIN_CSV, size=24)) == 3


def test_unreadable_images_are_left_out_and_counted(unpacked):
    broken = unpacked / "train" / "1.jpg"
    broken.write_bytes(broken.read_bytes()[:100])
    with pytest.warns(errors.DataWarning, match=r"1 images left out, they cannot be read: train/1\.jpg"):
        faces = fairface.read_fairface(unpacked, label_file=fairface.TRAIN_CSV, size=24)
    assert (faces.files, faces.left_out) == (("train/2.jpg", "train/3.jpg"), {"unreadable": 1})
    assert faces.targets["race"].tolist() == [2, 3]
    assert np.ptp(faces.images[0]) > 0
    for number in (2, 3):
        (unpacked / "train" / f"{number}.jpg").write_bytes(b"not an image")
    with pytest.warns(errors.DataWarning), pytest.raises(face_set.EmptySet, match="unreadable"):
        fairface.read_fairface(unpacked, label_file=fairface.TRAIN_CSV, size=24)


def test_a_name_in_two_zips_is_an_error(tmp_path):
    for shard in ("a.zip", "b.zip"):
        with zipfile.ZipFile(tmp_path / shard, "w") as archive:
            archive.writestr("26_1_4_2017.chip.jpg", pictures.jpeg(32, 32))
    with pytest.raises(face_set.BadData, match="1 names occur more than once"):
        utkface.read_utkface(tmp_path, size=24)


def test_a_damaged_zip_is_told_and_a_damaged_member_left_out(tmp_path):
    path = tmp_path / "utkface-0.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for seed in range(2):
            archive.writestr(f"26_1_4_{seed}.chip.jpg", pictures.jpeg(32, 32, seed=seed))
    content = bytearray(path.read_bytes())
    content[300] ^= 0xFF  # inside the first image: its checksum is wrong
    path.write_bytes(content)
    with pytest.warns(errors.DataWarning, match=r"1 images left out, they cannot be read: 26_1_4_0\.chip\.jpg"):
        assert len(utkface.read_utkface(path, size=24)) == 1
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(face_set.BadData, match="A zip is damaged"):
        utkface.read_utkface(path, size=24)


def test_names_of_utkface_tell_age_gender_and_race():
    assert utkface.parse_name("UTKFace/26_1_4_20170117.chip.webp") == (26, 1, 4)
    assert utkface.parse_name("UTKFace/61_1_20170109.chip.webp") is None
    assert [labels.bin_of("age", years) for years in (0, 2, 3, 9, 10, 69, 70, 116)] == [0, 0, 1, 1, 2, 7, 8, 8]


def test_utkface_is_read_from_a_folder_and_from_zips(tmp_path):
    names = ["26_1_4_2017.chip.jpg", "8_0_2_2017.chip.jpg"]
    with zipfile.ZipFile(tmp_path / "utkface-0.zip", "w") as archive:
        for seed, name in enumerate(names):
            write_image(tmp_path / "plain" / name, seed=seed)
            archive.write(tmp_path / "plain" / name, f"UTKFace/{name}")
    zipped = utkface.read_utkface(tmp_path, size=24, shards=["utkface-0.zip"])
    plain = utkface.read_utkface(tmp_path / "plain", size=24)
    assert np.array_equal(zipped.images, plain.images)
    assert zipped.targets["race"].tolist() == [4, 2]
    assert zipped.targets["gender"].tolist() == [1, 0]
    assert zipped.targets["age"].tolist() == [3, 1]
    assert zipped.years is not None
    assert zipped.years.tolist() == [26.0, 8.0]
    write_image(tmp_path / "plain" / "61_1_2017.chip.jpg")
    with pytest.raises(face_set.UnknownLabels):
        utkface.read_utkface(tmp_path / "plain", size=24)
    with pytest.warns(errors.DataWarning, match="1 files left out"):
        assert len(utkface.read_utkface(tmp_path / "plain", size=24, skip_unknown=True)) == 2


def test_the_shared_sets_are_read(shared):
    faces = fairface.read_fairface(
        shared / "data" / "fairface", shards=["train-0.zip"], label_file=fairface.TRAIN_CSV, size=32, limit=50
    )
    assert (len(faces), faces.files[0], faces.left_out) == (50, "train/1.webp", {})
    foreign = utkface.read_utkface(shared / "data" / "utkface", size=32, limit=50)
    assert (len(foreign), len(set(foreign.digests))) == (50, 50)
    assert foreign.count_classes("race")["White"] > 5


def test_files_whose_names_are_no_utf8_are_read_named_and_found_again(tmp_path):
    root = tmp_path / "images"
    for number, name in enumerate((b"a\xff.jpg", rb"b\xff.jpg", b"c.jpg")):
        write_image(root / "Female" / os.fsdecode(name), seed=number)
    genders = face_set.classes_in("gender")
    faces = folders.read_folders(root, classes=genders, size=16)
    assert faces.files == (r"Female/a\xff.jpg", r"Female/b\xff.jpg", "Female/c.jpg")
    assert len(faces.data_hash()) == 64  # which wants text
    (tmp_path / "list.txt").write_text("".join(f"{name} Female\n" for name in faces.files))
    listed = lists.read_list(tmp_path / "list.txt", root=root, classes=genders, size=16)
    assert listed.data_hash() == faces.data_hash()
