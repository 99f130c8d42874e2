"""docs/api.md names what there is."""

import re
from pathlib import Path

import pytest
from rest_framework import exceptions

from classifier.api import errors, examples
from classifier.api.urls import urlpatterns
from classifier.http import refusals
from classifier.models import Photo, UploadItem
from ml import labels

GUIDE = (Path(__file__).parents[2] / "docs/api.md").read_text()


def codes_of(base) -> set[str]:
    return {kind.default_code for kind in base.__subclasses__()} - {"error"}


@pytest.mark.parametrize(
    "word",
    sorted(
        {
            *codes_of(errors.ApiError),
            *(codes_of(exceptions.APIException) - {"error"}),
            *refusals.STATUS,
            *UploadItem.Outcome.values,
            *Photo.Code.values,
            *labels.TAXONOMIES,
        }
    ),
)
def test_every_code_outcome_and_grouping_is_in_the_guide(word):
    assert f"`{word}`" in GUIDE


def test_every_address_is_in_the_guide():
    for pattern in urlpatterns:
        address = str(pattern.pattern).replace("<uuid:uid>", "UID")
        assert address in GUIDE, address


def test_every_status_is_in_the_guide():
    told = set(re.findall(r"^\| ([\d, ]+) \|", GUIDE, re.MULTILINE))
    statuses = {int(status) for row in told for status in row.split(",")}
    assert set(examples.ERRORS) <= statuses
    assert set(refusals.STATUS.values()) <= statuses
