"""What docs/privacy says of the software is so: every table has its row, numbers are those of the settings."""

import re
from pathlib import Path

from django.apps import apps
from django.conf import settings
from knox.settings import knox_settings

from classifier.services import accounts, chores, exports, jobs
from classifier.services.reports import caching

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "privacy"
SCHEDULE = (FOLDER / "retention-schedule.md").read_text()


def row_of(table: str) -> str:
    (row,) = [line for line in SCHEDULE.splitlines() if line.startswith("|") and f"`{table}`" in line]
    return row


def test_every_table_stands_in_the_schedule_once():
    tables = {model.__name__ for model in apps.get_models()}
    rows = [line.split("|")[2] for line in SCHEDULE.splitlines() if line.startswith("| ")]
    told = re.findall(r"`(\w+)`", "".join(rows))
    assert sorted(told) == sorted(tables)


def test_its_numbers_are_those_of_the_software():
    assert f"{accounts.GRACE.days} days" in row_of("User")
    assert f"{exports.KEPT_FOR.days} day" in row_of("AccountExport")
    assert f"{jobs.KEPT_FOR.days} days" in row_of("Job")
    assert f"{settings.KEEP_UPLOADS_DAYS} days" in row_of("UploadItem")
    assert f"{settings.AUDIT_ADDRESS_DAYS} days" in row_of("AuditAddress")
    assert f"{settings.SESSION_COOKIE_AGE // 86_400} days" in row_of("Session")
    assert f"({knox_settings.TOKEN_TTL.days} unless" in row_of("AccessToken")
    assert f"the {caching.KEPT_QUESTIONS} questions" in row_of("ComputedReport")


def test_what_goes_by_itself_has_a_chore():
    assert {
        "photos whose days are over",
        "old uploads",
        "finished jobs",
        "addresses in the audit log",
        "expired sessions",
    } <= {*chores.CHORES}


def test_the_index_names_every_paper_and_what_is_to_be_filled_in_is_marked():
    papers = {path.name for path in FOLDER.glob("*.md")} - {"README.md"}
    linked = set(re.findall(r"\]\(([\w-]+\.md)\)", (FOLDER / "README.md").read_text()))
    assert linked == papers
    blank = papers - {"files.md"}
    assert not [name for name in blank if len(re.findall(r"\[[^\]]+\](?!\()", (FOLDER / name).read_text())) < 8]
