"""Writing the report of a collection, in the format that a file's name ends with."""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

from ml.commands import writable_file
from ml.files import replace_file
from ml.reporting import survey_csv, survey_json, survey_page
from ml.surveying.report import Report

FORMATS: dict[str, Callable[[Report], str]] = {
    ".html": survey_page.write_page,
    ".json": survey_json.write_json,
    ".csv": survey_csv.write_csv,
}


def report_file(text: str) -> Path:
    """A file that a report can be written to, as an argument's type."""
    path = writable_file(text)
    if path.suffix.lower() not in FORMATS:
        raise argparse.ArgumentTypeError(f"{text} ends with none of {', '.join(FORMATS)}")
    return path


def write_files(report: Report, *, files: Sequence[Path]) -> None:
    """Each file whole or not at all."""
    for path in files:
        replace_file(path, FORMATS[path.suffix.lower()](report))
