"""Faces of a known width on photos of any size: those that count are found wherever they lie, none twice."""

import json

import pytest

from ml import find_limits
from ml.benching import placing
from ml.detecting.detector import FaceDetector
from ml.requests import DETAILS
from tests import pictures

SIZES = ((6000, 4000), (16000, 1600), (1080, 15000))


@pytest.fixture(scope="module")
def faces() -> list[placing.CutFace]:
    return placing.cut_faces([pictures.astronaut()])


@pytest.mark.parametrize("together", [False, True], ids=["one by one", "together"])
def test_faces_that_count_are_found_in_photos_of_any_size_and_none_twice(faces, together):
    detector = FaceDetector(together=together)
    sizes = SIZES[2:] if together else SIZES
    cells = list(find_limits.measure(faces, detector=detector, sizes=sizes, widths_px=(40,), count=40))
    assert [(cell.size, cell.narrowest_px) for cell in cells] == [(size, 40) for size in sizes]
    assert all(cell.found >= 0.97 * cell.placed == 38.8 for cell in cells), cells
    assert all(cell.twice == cell.others == 0 for cell in cells), cells


def test_fine_finds_faces_of_half_the_width(faces):
    narrow = {"sizes": [(2000, 1500)], "widths_px": (20,), "count": 40}
    fine, normal = (
        next(find_limits.measure(faces, detector=FaceDetector(), detail=detail, **narrow))
        for detail in ("fine", "normal")
    )
    assert fine.found >= 39 > normal.found
    assert fine.narrowest_px <= 20 < normal.narrowest_px


def test_the_narrowest_face_follows_the_area_up_to_what_counts():
    plan = FaceDetector().plan
    sizes = [(640, 480), (2000, 1400), (3000, 2000), (6000, 4000), (16000, 1600), (1, 20_000)]
    told = {
        detail: [round(canvas.narrowest_face) for canvas in plan(sizes, details=[detail] * 6)] for detail in DETAILS
    }
    assert told["normal"] == [27, 27, 33, 40, 40, 27]
    assert told["fine"] == [20] * 6
    assert told["fast"] == [40, 40, 44, 88, 91, 40]


def test_the_command_counts_and_tells(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(find_limits, "SIZES", ((800, 600),))
    pictures.astronaut().save(tmp_path / "one.png")
    out = tmp_path / "limits.json"
    assert find_limits.main([str(tmp_path), "--count", "6", "--widths", "40", "100", "--json", str(out)]) == 0
    cells = json.loads(out.read_text())
    assert [(cell["width_px"], cell["placed"], cell["found"]) for cell in cells] == [(40, 6, 6), (100, 6, 6)]
    assert len(capsys.readouterr().out.splitlines()) == 1 + len(cells)
