"""Reports: how model versions err, what was computed last of each question, and reports that were kept.

That a kept report is not changed the database sees to itself, by a trigger. SQLite drops it with the table whenever a
migration makes that anew: such a migration calls `guard_kept_reports` again.
"""

import django.db.models.deletion
import django.utils.timezone
import uuid
from django.conf import settings
from django.db import migrations, models

TABLE, TRIGGER = "classifier_keptreport", "kept_reports_do_not_change"
COLUMNS = "uid, collection_id, number, title, model_name, faces, content, sha256, kept_at"


def guard_kept_reports(apps, schema_editor):
    """Only who kept it may be taken off a report: when that account goes."""
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(
            f"CREATE OR REPLACE FUNCTION {TRIGGER}() RETURNS trigger AS "
            "$$ BEGIN RAISE EXCEPTION 'kept reports are immutable'; END $$ LANGUAGE plpgsql"
        )
        schema_editor.execute(f"DROP TRIGGER IF EXISTS {TRIGGER} ON {TABLE}")
        act = f"FOR EACH ROW EXECUTE FUNCTION {TRIGGER}()"
    else:
        schema_editor.execute(f"DROP TRIGGER IF EXISTS {TRIGGER}")
        act = "BEGIN SELECT RAISE(ABORT, 'kept reports are immutable'); END"
    schema_editor.execute(f"CREATE TRIGGER {TRIGGER} BEFORE UPDATE OF {COLUMNS} ON {TABLE} {act}")


def unguard_kept_reports(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(f"DROP TRIGGER IF EXISTS {TRIGGER} ON {TABLE}")
        schema_editor.execute(f"DROP FUNCTION IF EXISTS {TRIGGER}()")
    else:
        schema_editor.execute(f"DROP TRIGGER IF EXISTS {TRIGGER}")


class Migration(migrations.Migration):

    dependencies = [
        ('classifier', '0014_names_as_people_count'),
    ]

    operations = [
        migrations.AddField(
            model_name='collection',
            name='revision',
            field=models.BigIntegerField(default=0, editable=False, help_text='Counts the changes of what reports are computed from.'),
        ),
        migrations.AlterField(
            model_name='job',
            name='kind',
            field=models.CharField(choices=[('explanation', 'explanation'), ('report', 'report')], max_length=16),
        ),
        migrations.CreateModel(
            name='ModelEvidence',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('sha256', models.CharField(help_text='Of the file.', max_length=64)),
                ('about', models.JSONField(default=dict, help_text="What the checkpoint's card tells of it.")),
                ('content', models.BinaryField()),
                ('stored_at', models.DateTimeField(auto_now=True)),
                ('model_version', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, related_name='evidence', to='classifier.modelversion')),
            ],
        ),
        migrations.CreateModel(
            name='ComputedReport',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('key', models.CharField(help_text='The hash of the question.', max_length=64)),
                ('question', models.JSONField(default=dict)),
                ('revision', models.BigIntegerField(help_text='Of the collection, before its faces were read.', null=True)),
                ('other_revision', models.BigIntegerField(null=True)),
                ('summary', models.JSONField(default=dict, help_text="What cards and the collection's page tell of it.")),
                ('content', models.TextField(blank=True, help_text='The report as canonical JSON; empty: not computed yet.')),
                ('seconds', models.FloatField(default=0.0, help_text='How long that took.')),
                ('computed_at', models.DateTimeField(null=True)),
                ('used_at', models.DateTimeField(db_index=True, default=django.utils.timezone.now)),
                ('job_revision', models.BigIntegerField(help_text='Of the collection when the job was asked for.', null=True)),
                ('progress', models.FloatField(default=0.0, help_text='How far the job is, 0 to 1.')),
                ('collection', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='computed_reports', to='classifier.collection')),
                ('job', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='reports', to='classifier.job')),
                ('other', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='classifier.collection')),
            ],
            options={
                'ordering': ['-used_at'],
                'constraints': [models.UniqueConstraint(fields=('collection', 'key'), name='one_answer_per_question')],
            },
        ),
        migrations.CreateModel(
            name='KeptReport',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('uid', models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                ('number', models.PositiveIntegerField()),
                ('title', models.CharField(max_length=200)),
                ('model_name', models.CharField(blank=True, max_length=80)),
                ('faces', models.PositiveIntegerField()),
                ('content', models.TextField()),
                ('sha256', models.CharField(max_length=64)),
                ('kept_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('collection', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='kept_reports', to='classifier.collection')),
                ('kept_by', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'ordering': ['-number'],
                'constraints': [models.UniqueConstraint(fields=('collection', 'number'), name='one_report_per_number')],
            },
        ),
        migrations.CreateModel(
            name='RemovedReport',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('collection_uid', models.UUIDField()),
                ('number', models.PositiveIntegerField()),
                ('sha256', models.CharField(max_length=64)),
                ('kept_at', models.DateTimeField()),
                ('removed_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('owner', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'ordering': ['-removed_at'],
                'constraints': [models.UniqueConstraint(fields=('collection_uid', 'number'), name='one_removed_report_per_number')],
            },
        ),
        migrations.RunPython(guard_kept_reports, unguard_kept_reports),
    ]
