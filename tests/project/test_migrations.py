"""The migrations fit the models and stand in one line."""

from io import StringIO

import pytest
from django.core.management import call_command
from django.db import connection
from django.db.migrations.loader import MigrationLoader

from classifier.models.accounts import REVIEWERS


@pytest.mark.django_db
def test_the_migrations_make_what_the_models_say():
    call_command("makemigrations", check_changes=True, dry_run=True, stdout=StringIO())


@pytest.mark.django_db
def test_the_migrations_stand_in_one_line():
    loader = MigrationLoader(connection)
    assert loader.detect_conflicts() == {}
    assert len(loader.graph.leaf_nodes("classifier")) == 1


@pytest.mark.django_db
def test_a_new_instance_has_the_group_that_makes_reviewers():
    from django.contrib.auth.models import Group

    group = Group.objects.get(name=REVIEWERS)
    assert set(group.permissions.values_list("codename", flat=True)) == {
        "view_collection", "view_face", "view_modelversion", "view_photo", "view_prediction",
    }  # fmt: skip
