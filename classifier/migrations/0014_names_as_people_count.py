"""Photos get the key that sorts their names, in batches that let others write in between, then the indexes are built.

PostgreSQL is told that a label goes with its attribute, without which it expects far too many faces of a group.
What is interrupted goes on where it stopped when it is run again.
"""

from django.db import migrations, models, transaction

from classifier.index_operations import BuildIndex, DropIndex
from classifier.models.sorting import name_key

BATCH_ROWS = 1000


def fill_keys(apps, schema_editor):
    photos = apps.get_model("classifier", "Photo").objects.using(schema_editor.connection.alias)
    keyless = photos.filter(name_key=b"").exclude(name="").order_by("pk")
    table = schema_editor.quote_name(photos.model._meta.db_table)
    last = 0
    while rows := list(keyless.filter(pk__gt=last).values_list("pk", "name")[:BATCH_ROWS]):
        # The name as it was read: one that was erased meanwhile gets no key.
        values = [(name_key(name), pk, name) for pk, name in rows]
        with transaction.atomic(using=schema_editor.connection.alias), schema_editor.connection.cursor() as cursor:
            cursor.executemany(f"UPDATE {table} SET name_key = %s WHERE id = %s AND name = %s", values)
        last = rows[-1][0]


def tell_what_goes_together(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(
            "CREATE STATISTICS IF NOT EXISTS guess_attribute_of_label (dependencies) "
            "ON attribute, label FROM classifier_guess"
        )
        # A sample, whatever the size of the table, that keeps nobody from writing; until then they tell nothing.
        schema_editor.execute("ANALYZE classifier_guess")


def forget_what_goes_together(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("DROP STATISTICS IF EXISTS guess_attribute_of_label")


class Migration(migrations.Migration):
    # Photos are read and deleted while a large table is filled and indexed.
    atomic = False

    dependencies = [
        ('classifier', '0013_folders_dates_and_tags'),
    ]

    operations = [
        migrations.RunPython(fill_keys, migrations.RunPython.noop, atomic=False),
        BuildIndex(
            model_name='photo',
            index=models.Index(fields=['collection', 'name_key', 'id'], name='photo_by_name'),
        ),
        BuildIndex(
            model_name='photo',
            index=models.Index(fields=['collection', 'folder', '-received_at', '-id'], name='photo_folders'),
        ),
        BuildIndex(
            model_name='photo',
            index=models.Index(condition=models.Q(('captured_on__isnull', False)), fields=['collection', 'captured_on'], name='photo_captured'),
        ),
        DropIndex(
            model_name='photo',
            name='photo_names',
        ),
        migrations.RunPython(tell_what_goes_together, forget_what_goes_together, atomic=False),
    ]
