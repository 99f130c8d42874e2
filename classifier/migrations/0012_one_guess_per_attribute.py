"""What was a set of columns for each attribute becomes one JSON of vectors, and a row of `Guess` for each attribute.

Stop the workers and the site before, and start the new ones after it: what they were not told is the columns that go.
The tables are locked throughout (PostgreSQL) or the database is (SQLite), so what an old worker stored before is taken
along, and one that waits for the lock fails afterwards and leaves its photos to the next worker. Should a deadlock with
somebody who deletes end it, nothing was changed: run it again.

Backwards, predictions of earlier model versions get their vectors back and nothing that repeats them: that was shown
in the admin alone.
"""

import django.db.models.deletion
from django.db import migrations, models

import classifier.models.collections

# The attributes that had columns, and what of them a row of `Guess` repeats.
UNSURE_OF_RACE = {
    "postgresql": "COALESCE((race_groups #>> '{fairface-7,unsure}')::boolean, false)",
    "sqlite": """COALESCE(json_extract(race_groups, '$."fairface-7".unsure'), 0)""",
}
COLUMNS = {
    "race": ("predicted_race", "race_probability", UNSURE_OF_RACE, "race_groups", "NULL", "NULL", "NULL"),
    "gender": ("predicted_gender", "gender_probability", "gender_unsure", "'{}'", "NULL", "NULL", "NULL"),
    "age": (
        *("predicted_age", "age_probability", "age_unsure", "'{}'"),
        *("predicted_years", "predicted_years_low", "predicted_years_high"),
    ),
}
VECTORS = {
    "postgresql": "jsonb_strip_nulls(jsonb_build_object('race', race_vector, 'gender', gender_vector, 'age', age_vector))",
    "sqlite": "json_patch('{}', json_object('race', json(race_vector), 'gender', json(gender_vector), 'age', json(age_vector)))",
}
VECTOR = {"postgresql": "told.vectors -> '{}'", "sqlite": "json_extract(told.vectors, '$.{}')"}


def lock_tables(apps, schema_editor):
    """Faces first, as a worker writes them, so that each waits for the other's end and not for each other's middle."""
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("LOCK TABLE classifier_face IN SHARE ROW EXCLUSIVE MODE")
        schema_editor.execute("LOCK TABLE classifier_prediction IN ACCESS EXCLUSIVE MODE")


def fill_guesses(apps, schema_editor):
    vendor = schema_editor.connection.vendor
    for attribute, columns in COLUMNS.items():
        label, *rest = (column[vendor] if isinstance(column, dict) else column for column in columns)
        if vendor == "postgresql":
            rest = [value.replace("'{}'", "'{}'::jsonb") for value in rest]
        schema_editor.execute(
            "INSERT INTO classifier_guess "
            "(face_id, attribute, label, probability, unsure, groups, expected, low, high) "
            f"SELECT face_id, '{attribute}', {label}, {', '.join(rest)} "
            f"FROM classifier_prediction WHERE is_current AND {label} <> ''"
        )
    schema_editor.execute(f"UPDATE classifier_prediction SET vectors = {VECTORS[vendor]}")


def fill_columns(apps, schema_editor):
    """In one statement: PostgreSQL changes no table of which rows were changed twice in the same transaction."""
    vendor = schema_editor.connection.vendor
    values = {f"{name}_vector": VECTOR[vendor].format(name) for name in COLUMNS}
    for name in COLUMNS:
        values |= {f"predicted_{name}": f"COALESCE({name}.label, '')", f"{name}_probability": f"{name}.probability"}
    for name in ("gender", "age"):
        values[f"{name}_unsure"] = f"COALESCE({name}.unsure, {'false' if vendor == 'postgresql' else '0'})"
    values["race_groups"] = "COALESCE(race.groups, '{}')"
    values |= {"predicted_years": "age.expected", "predicted_years_low": "age.low", "predicted_years_high": "age.high"}
    guesses = " ".join(
        f"LEFT JOIN classifier_guess AS {name} ON {name}.face_id = told.face_id AND told.is_current "
        f"AND {name}.attribute = '{name}'"
        for name in COLUMNS
    )
    schema_editor.execute(
        f"UPDATE classifier_prediction SET {', '.join(f'{name} = {value}' for name, value in values.items())} "
        f"FROM classifier_prediction AS told {guesses} WHERE told.id = classifier_prediction.id"
    )


class Migration(migrations.Migration):

    dependencies = [
        ('classifier', '0010_files_that_are_not_read'),
    ]

    operations = [
        migrations.RunPython(lock_tables, migrations.RunPython.noop),
        migrations.RemoveIndex(
            model_name='prediction',
            name='prediction_race',
        ),
        migrations.RemoveIndex(
            model_name='prediction',
            name='prediction_gender',
        ),
        migrations.RemoveIndex(
            model_name='prediction',
            name='prediction_age',
        ),
        migrations.CreateModel(
            name='Guess',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('attribute', models.CharField(max_length=16)),
                ('label', models.CharField(help_text='In the finest grouping.', max_length=20)),
                ('probability', models.FloatField()),
                ('unsure', models.BooleanField()),
                ('groups', models.JSONField(default=dict, help_text='Taxonomy -> label, probability and unsure, where there are several.')),
                ('expected', models.FloatField(help_text='Of an ordinal attribute: the expected number, in its unit.', null=True)),
                ('low', models.FloatField(help_text='The 10th percentile.', null=True)),
                ('high', models.FloatField(help_text='The 90th percentile.', null=True)),
                ('face', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='guesses', to='classifier.face')),
            ],
        ),
        migrations.AddField(
            model_name='prediction',
            name='vectors',
            field=models.JSONField(default=dict, help_text='Attribute -> probabilities, in the order of its labels.'),
        ),
        migrations.RunPython(fill_guesses, fill_columns),
        migrations.AddConstraint(
            model_name='guess',
            constraint=models.UniqueConstraint(fields=('face', 'attribute'), name='one_guess_per_attribute'),
        ),
        migrations.AddIndex(
            model_name='guess',
            index=models.Index(fields=['attribute', 'label', 'face'], name='guess_label'),
        ),
        migrations.AddIndex(
            model_name='guess',
            index=models.Index(condition=models.Q(('unsure', True)), fields=['face', 'attribute'], name='guess_unsure'),
        ),
        *(
            migrations.RemoveField(model_name='prediction', name=name)
            for name in (
                'race_vector', 'predicted_race', 'race_probability', 'race_groups',
                'gender_vector', 'predicted_gender', 'gender_probability', 'gender_unsure',
                'age_vector', 'predicted_age', 'age_probability', 'age_unsure',
                'predicted_years', 'predicted_years_low', 'predicted_years_high',
            )
        ),
        migrations.AlterField(
            model_name='collection',
            name='attributes',
            field=models.JSONField(default=classifier.models.collections.all_attributes, help_text='What is computed and stored.'),
        ),
        migrations.AlterField(
            model_name='collection',
            name='taxonomy',
            field=models.CharField(choices=classifier.models.collections.taxonomy_choices, default='fairface-7', max_length=20, verbose_name='grouping'),
        ),
    ]
