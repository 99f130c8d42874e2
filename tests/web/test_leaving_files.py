"""Files that leave the site: they hold the columns that docs/privacy/files.md tells, and nothing that calculates."""

import csv
import io
import re
import zipfile
from pathlib import Path

import pytest
from django.urls import reverse

from classifier.models import AccountExport, Draw, ModelVersion, User
from classifier.services import audit, exports, jobs
from classifier.services.reviews import answering, drawing
from ml.attributes import ATTRIBUTES
from tests.conftest import logged_in
from tests.web.test_reports import keep

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "privacy" / "files.md").read_text()
FORMULA = re.compile(r"[=+\-@\t\r]")
EVIL = "=HYPERLINK(0)"


def documented(file: str) -> list[str]:
    """The columns as the page tells them, with a word for each attribute and label where it has a rule."""
    (row,) = [line for line in TEXT.splitlines() if line.startswith(f"| `{file}`")]
    told: list[str] = re.findall(r"`([^`]+)`", row.split("|")[3])
    columns = [name for name in told if not name.endswith("…") or name.startswith("reviewed")]
    for attribute in ATTRIBUTES.values() if file == "faces.csv" else ():
        columns += [rule.replace("…", attribute.name) for rule in told if rule.endswith("…")]
        columns += [f"{attribute.name}_{label}" for label in attribute.labels]
    at = [place for place, name in enumerate(columns) if name == "reviewed_…"]
    for place in at:
        columns[place : place + 1] = [f"reviewed_{name}" for name in ATTRIBUTES]
    return columns


@pytest.fixture
def files(alice, adam, portraits, media) -> dict[str, list[str]]:
    """Every CSV that the site gives out, by name, of a collection in which all that people may write is a formula."""
    User.objects.filter(pk=alice.pk).update(username="@alice")
    alice.refresh_from_db()
    portraits.photos.update(name=EVIL, folder="+1")
    column = portraits.tag_columns.create(name="-tag")
    column.tags.create(photo=portraits.photos.first(), value="@value")
    ModelVersion.objects.update(name="=model")
    draw = drawing.begin_draw(portraits, creator=alice, attribute="race", size=8)
    said = answering.Answer(answers={"race": "Black", "gender": "Male", "age": "20-29"}, comment="\tcmd")
    answering.answer_face(draw, face=draw.drawn_faces.first().face, reviewer=alice, answer=said)
    audit.record(EVIL, actor=alice, target=EVIL)
    client, admin = logged_in(alice), logged_in(adam)
    by_tag = {"by": "tag:-tag", "format": "csv"}
    keep(client, portraits)
    asked = {
        "faces.csv": client.get(reverse("collection-faces", args=[portraits.uid])),
        "report.csv": client.get(reverse("collection-report-export", args=[portraits.uid]), by_tag),
        "kept": client.get(reverse("collection-kept-report-export", args=[portraits.uid, 1]), {"format": "csv"}),
        "reviews.csv": client.get(reverse("collection-reviews", args=[portraits.uid])),
        "answers.csv": client.get(reverse("draw-export", args=[Draw.objects.get().uid])),
        "audit.csv": admin.get(reverse("admin:classifier_auditevent_export")),
    }
    exports.ask_for_export(alice)
    jobs.run_once()
    with zipfile.ZipFile(media / AccountExport.objects.get().file) as archive:
        own = archive.read("reviews.csv")
    return {name: answer.getvalue().decode() for name, answer in asked.items()} | {"own": own.decode()}


def test_no_file_holds_more_than_it_says_and_no_cell_calculates(files):
    same = {"kept": "report.csv", "answers.csv": "reviews.csv", "own": "reviews.csv"}
    for name, text in files.items():
        rows = list(csv.reader(io.StringIO(text)))
        assert len(rows) > 1, name
        assert rows[0] == documented(same.get(name, name)), name
        assert {len(row) for row in rows} == {len(rows[0])}, name
        risky = [cell for row in rows for cell in row if FORMULA.match(cell) and not is_number(cell)]
        assert risky == [], name
    assert sum(f"'{EVIL}" in text for text in files.values()) >= 5


def is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
