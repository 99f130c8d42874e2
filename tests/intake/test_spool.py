"""What is on its way in lies in the spool, and what a dead process left there goes."""

import io
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from classifier.intake import pool, spool, storage
from classifier.intake.upload_handler import NamelessFileUploadHandler
from classifier.services import doctor
from tests import pictures

ROOT = Path(__file__).resolve().parents[2]
DYING = """
import os, signal, sys
from pathlib import Path
from classifier.intake import spool

with spool.scratch_folder(Path(sys.argv[1])) as folder:
    (folder / "image.jpg").write_bytes(b"original")
    nameless = spool.open_nameless(Path(sys.argv[1]))
    nameless.write(b"original")
    nameless.flush()
    print("ready", flush=True)
    sys.stdin.read() if len(sys.argv) > 2 else os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def folder(tmp_path, settings):
    settings.SPOOL_DIR = settings.FILE_UPLOAD_TEMP_DIR = tmp_path / "spool"
    spool.sweep(settings.SPOOL_DIR)
    return settings.SPOOL_DIR


@pytest.fixture
def no_other_place(monkeypatch):
    """Files that are made where the system keeps temporary ones."""
    monkeypatch.setattr(tempfile, "tempdir", "/nowhere")


def test_the_spool_is_for_nobody_else(folder):
    folder.chmod(0o755)
    spool.sweep(folder)
    assert folder.stat().st_mode & 0o777 == 0o700


def test_what_a_dead_process_left_is_found_and_swept(folder):
    subprocess.run([sys.executable, "-c", DYING, str(folder)], cwd=ROOT, capture_output=True)
    (left,) = folder.iterdir()
    assert spool.find_left_over(folder) == [left]
    assert spool.sweep(folder) == 1
    assert list(folder.iterdir()) == []


def test_what_a_living_process_has_stays(folder):
    command = [sys.executable, "-c", DYING, str(folder), "stay"]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as living:
        living.stdout.readline()
        assert spool.find_left_over(folder) == []
        assert spool.sweep(folder) == 0
        (held,) = folder.iterdir()
        assert (held / "image.jpg").read_bytes() == b"original"
        living.kill()
    assert spool.sweep(folder) == 1


def test_a_file_with_a_name_is_swept_when_it_is_old(folder):
    named = folder / "tmpabc.upload"
    named.write_bytes(b"original")
    assert spool.sweep(folder) == 0
    os.utime(named, (time.time() - 2 * spool.LEFT_OVER_SECONDS,) * 2)
    assert spool.sweep(folder) == 1
    assert not named.exists()


def test_the_spool_is_made_with_the_folders_above_it(tmp_path):
    assert spool.find_left_over(tmp_path / "data" / "spool") == []
    assert spool.sweep(tmp_path / "data" / "spool") == 0
    assert (tmp_path / "data" / "spool").is_dir()


def test_a_sweep_follows_no_link_out_of_the_spool(folder, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").write_bytes(b"another's")
    (folder / "link").symlink_to(outside)
    assert spool.find_left_over(folder) == []
    assert spool.sweep(folder) == 0
    assert (outside / "kept").exists()


def test_a_scratch_folder_goes_at_the_end(folder):
    with spool.scratch_folder(folder) as scratch:
        assert scratch.parent == folder
        assert scratch.stat().st_mode & 0o777 == 0o700
    assert list(folder.iterdir()) == []


@pytest.mark.django_db
def test_doctor_finds_and_sweeps_it(folder):
    subprocess.run([sys.executable, "-c", DYING, str(folder)], cwd=ROOT, capture_output=True)
    finding = doctor.find_left_over_uploads()
    assert "1 file or folder" in finding.what
    assert finding.remedy() == 1
    assert doctor.find_left_over_uploads() is None


def test_a_large_file_of_an_upload_has_no_name(folder, no_other_place):
    handler = NamelessFileUploadHandler()
    handler.new_file("images", "a.jpg", "image/jpeg", 10)
    handler.receive_data_chunk(b"0123456789", 0)
    assert list(folder.iterdir()) == []
    file = handler.file_complete(10)
    assert (file.name, file.size, file.read()) == ("a.jpg", 10, b"0123456789")
    assert Path(f"/proc/self/fd/{file.fileno()}").readlink().parent == folder
    file.close()


def test_an_upload_that_breaks_off_leaves_nothing_open(folder):
    handler = NamelessFileUploadHandler()
    handler.upload_interrupted()  # before the first file
    handler.new_file("images", "a.jpg", "image/jpeg", 10)
    handler.upload_interrupted()
    assert handler._file.closed


def test_copies_for_the_decoding_child_lie_in_the_spool(folder, no_other_place):
    with pool.open_descriptor(io.BytesIO(b"original")) as descriptor:
        assert Path(f"/proc/self/fd/{descriptor}").readlink().parent == folder
    assert list(folder.iterdir()) == []


def test_photos_for_a_storage_elsewhere_and_new_thumbnails_pass_through_the_spool(folder, no_other_place, monkeypatch):
    seen = []
    monkeypatch.setattr(storage, "_decode", lambda file, *, image, thumbnail: seen.append(image) or image.touch())
    storage.default_storage.save("photos/ab/x.jpg", io.BytesIO(pictures.jpeg(20, 20)))
    storage.restore_thumbnail("photos/ab/x.jpg", thumbnail="thumbnails/ab/x.jpg")
    assert seen[0].parent.parent == folder
    assert list(folder.iterdir()) == []


def test_the_decoding_child_takes_the_spool_for_temporary_files(folder, monkeypatch):
    started = []

    def refuse(command, **options):
        started.append(options["env"])
        raise FileNotFoundError

    monkeypatch.setattr(pool.subprocess, "Popen", refuse)
    with pytest.raises(FileNotFoundError):
        pool.Child(memory_bytes=1)
    assert started[0]["TMPDIR"] == str(folder)
