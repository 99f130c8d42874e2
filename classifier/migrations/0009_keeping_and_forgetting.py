import django.utils.timezone
from django.db import migrations, models

SETTLED = ('accepted', 'duplicate')  # the outcomes of files that had a photo
DELETION = 3  # of the administration's log


def forget_names(apps, schema_editor):
    """What was deleted before names went with it left them here."""
    items = apps.get_model('classifier', 'UploadItem').objects
    items.filter(photo=None, outcome__in=SETTLED).exclude(name='').update(name='', message='')
    about = {'content_type__app_label': 'classifier', 'content_type__model__in': ('photo', 'collection', 'user')}
    apps.get_model('admin', 'LogEntry').objects.filter(action_flag=DELETION, **about).update(object_repr='deleted')


class Migration(migrations.Migration):

    dependencies = [
        ('admin', '0003_logentry_add_action_flag_choices'),
        ('contenttypes', '0002_remove_content_type_name'),
        ('classifier', '0008_detect_anew'),
    ]

    operations = [
        migrations.CreateModel(
            name='Chore',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=40, unique=True)),
                ('due_at', models.DateTimeField(default=django.utils.timezone.now, help_text='Whoever moves this on does it.')),
                ('started_at', models.DateTimeField(blank=True, null=True)),
                ('finished_at', models.DateTimeField(blank=True, null=True)),
            ],
            options={
                'ordering': ['name'],
            },
        ),
        migrations.AddField(
            model_name='user',
            name='deleting_at',
            field=models.DateTimeField(blank=True, editable=False, null=True),
        ),
        migrations.AlterField(
            model_name='job',
            name='code',
            field=models.CharField(blank=True, choices=[('crashed', 'it broke'), ('timed_out', 'it took too long'), ('worker_lost', 'the worker was lost too often while it had this'), ('file_missing', 'the stored photo is missing'), ('disk_full', 'the disk was full'), ('switched_off', 'this was switched off for the collection'), ('other_model', 'the worker has another model by now'), ('no_gradients', 'an exported model cannot be explained'), ('no_map', 'this network cannot be explained')], max_length=20),
        ),
        migrations.AddIndex(
            model_name='photo',
            index=models.Index(models.F('deleting_at'), condition=models.Q(('deleting_at__isnull', False)), name='photo_deletions'),
        ),
        migrations.RunPython(forget_names, migrations.RunPython.noop),
    ]
