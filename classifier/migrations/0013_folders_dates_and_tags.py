import django.db.models.deletion
import django.utils.timezone
import uuid
from django.db import migrations, models

import classifier.models.sorting


class Migration(migrations.Migration):

    dependencies = [
        ('classifier', '0012_one_guess_per_attribute'),
    ]

    operations = [
        migrations.AddField(
            model_name='collection',
            name='keeps_capture_dates',
            field=models.BooleanField(default=False, help_text='Whether the day on which a photo was taken is kept with it; decided when the collection is made.'),
        ),
        migrations.AddField(
            model_name='photo',
            name='captured_on',
            field=models.DateField(blank=True, help_text="The day of its EXIF by the camera's clock, where the collection keeps it.", null=True),
        ),
        migrations.AddField(
            model_name='photo',
            name='folder',
            field=models.CharField(blank=True, help_text='Where it lay as it was sent, from the folder that was dropped on; empty for a photo by itself.', max_length=400),
        ),
        migrations.AddField(
            model_name='photo',
            name='name_key',
            field=classifier.models.sorting.NameKeyField(default=b'', help_text='Sorts names as people count.'),
        ),
        migrations.CreateModel(
            name='TagColumn',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('uid', models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                ('name', models.CharField(max_length=60)),
                ('updated_at', models.DateTimeField(default=django.utils.timezone.now, help_text='When its values were sent.')),
                ('collection', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='tag_columns', to='classifier.collection')),
            ],
            options={
                'ordering': ['id'],
                'constraints': [models.UniqueConstraint(fields=('collection', 'name'), name='one_column_per_name')],
            },
        ),
        migrations.CreateModel(
            name='PhotoTag',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('value', models.CharField(max_length=200)),
                ('column', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='tags', to='classifier.tagcolumn')),
                ('photo', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='tags', to='classifier.photo')),
            ],
            options={
                'ordering': ['column_id'],
                'indexes': [models.Index(fields=['column', 'value', 'photo'], name='phototag_values')],
                'constraints': [models.UniqueConstraint(fields=('photo', 'column'), name='one_value_per_column')],
            },
        ),
    ]
