"""docs/architecture.md shows the rooms as they are."""

import re
from graphlib import CycleError
from pathlib import Path

import pytest

from docs import draw_rooms

PAGE = draw_rooms.PAGE.read_text()
CALLED_BY_DJANGO = ("management", "migrations")


def test_the_drawings_are_up_to_date():
    assert draw_rooms.fill_in(PAGE) == PAGE, "make rooms draws them anew"


def test_only_arrows_that_others_imply_are_left_out():
    arrows = {"top": {"middle", "bottom", "side"}, "middle": {"bottom"}, "bottom": set(), "side": set()}
    assert draw_rooms.drop_detours(arrows) == {
        "top": {"middle", "side"},
        "middle": {"bottom"},
        "bottom": set(),
        "side": set(),
    }
    with pytest.raises(CycleError):
        draw_rooms.drop_detours({"one": {"other"}, "other": {"one"}})


@pytest.mark.parametrize(
    ("folder", "pattern"), [("classifier", "*/__init__.py"), ("classifier/services", "*.py"), ("ml", "*/__init__.py")]
)
def test_the_page_tells_of_every_room_and_service(folder, pattern):
    found = {path.parent if path.name == "__init__.py" else path for path in (draw_rooms.ROOT / folder).glob(pattern)}
    names = {path.stem for path in found} - {Path(folder).name, *CALLED_BY_DJANGO}
    assert len(names) > 5
    assert names - set(re.findall(r"`(?:\w+/)*(\w+)(?:/|\.py)?`", PAGE)) == set()
