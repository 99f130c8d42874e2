"""Migration operations that build and drop indexes while the site works, and can be taken up again half way.

PostgreSQL does neither in a transaction, so a migration with them says `atomic = False`. Elsewhere they do the same
without being able to let others write meanwhile.

One `migrate` at a time: a second one beside it drops what the first has just built, since it takes that for left over,
and waits as long as the first one builds.
"""

from time import sleep
from typing import TYPE_CHECKING, Any

from django.db import migrations

if TYPE_CHECKING:
    from django.db.backends.base.schema import BaseDatabaseSchemaEditor
    from django.db.migrations.state import ProjectState
    from django.db.models import Index, Model

LOOK_SECONDS = 0.5  # between two looks whether somebody else still builds


class BuildIndex(migrations.AddIndex):
    """Whatever has its name goes first, since it comes from a run that was interrupted.

    PostgreSQL keeps an index that it did not finish and never asks it: `IF NOT EXISTS` would take it for the real one.
    """

    atomic = False

    def database_forwards(
        self, app_label: str, schema_editor: "BaseDatabaseSchemaEditor", from_state: "ProjectState", to_state: Any
    ) -> None:
        _build(schema_editor, to_state.apps.get_model(app_label, self.model_name), index=self.index)

    def database_backwards(
        self, app_label: str, schema_editor: "BaseDatabaseSchemaEditor", from_state: "ProjectState", to_state: Any
    ) -> None:
        _drop(schema_editor, from_state.apps.get_model(app_label, self.model_name), name=self.index.name)


class DropIndex(migrations.RemoveIndex):
    """One that is gone already, by a run that was interrupted, is no error."""

    atomic = False

    def database_forwards(
        self, app_label: str, schema_editor: "BaseDatabaseSchemaEditor", from_state: "ProjectState", to_state: Any
    ) -> None:
        _drop(schema_editor, to_state.apps.get_model(app_label, self.model_name), name=self.name)

    def database_backwards(
        self, app_label: str, schema_editor: "BaseDatabaseSchemaEditor", from_state: "ProjectState", to_state: Any
    ) -> None:
        index = to_state.models[app_label, self.model_name_lower].get_index_by_name(self.name)
        _build(schema_editor, to_state.apps.get_model(app_label, self.model_name), index=index)


def _build(schema_editor: "BaseDatabaseSchemaEditor", model: "type[Model]", *, index: "Index") -> None:
    _drop(schema_editor, model, name=index.name)
    how: dict[str, Any] = {"concurrently": True} if _is_postgres(schema_editor) else {}
    schema_editor.execute(index.create_sql(model, schema_editor, **how), params=None)


def _drop(schema_editor: "BaseDatabaseSchemaEditor", model: "type[Model]", *, name: str) -> None:
    how = ""
    if _is_postgres(schema_editor):
        how = "CONCURRENTLY "
        _wait_for_builders(schema_editor, table=model._meta.db_table)
    schema_editor.execute(f"DROP INDEX {how}IF EXISTS {schema_editor.quote_name(name)}")


def _wait_for_builders(schema_editor: "BaseDatabaseSchemaEditor", *, table: str) -> None:
    """Until nobody builds an index of a table, however long that takes; says so once.

    The server works on for a client that was killed. Whoever only waited for the lock would be waited for as well.
    """
    is_told = False
    with schema_editor.connection.cursor() as cursor:
        while True:
            cursor.execute("SELECT pid FROM pg_stat_progress_create_index WHERE relid = to_regclass(%s)", [table])
            builder = cursor.fetchone()
            if builder is None:
                return
            if not is_told:  # after "Applying ...", which leaves its line open
                print(f"\n    waits for an index of {table} that process {builder[0]} of the server builds ...")  # noqa: T201
                is_told = True
            sleep(LOOK_SECONDS)


def _is_postgres(schema_editor: "BaseDatabaseSchemaEditor") -> bool:
    return schema_editor.connection.vendor == "postgresql"
