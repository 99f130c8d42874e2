import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('classifier', '0024_what_faces_lack'),
    ]

    operations = [
        migrations.AddField(
            model_name='collection',
            name='is_aggregate_only',
            field=models.BooleanField(default=False, help_text='Whether only sums are kept: each photo and its faces are deleted when they were counted; decided when the collection is made.', verbose_name='aggregate-only'),
        ),
        migrations.CreateModel(
            name='Aggregate',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('photos', models.PositiveIntegerField(default=0, help_text='Analysed, added and gone.')),
                ('photos_with_faces', models.PositiveIntegerField(default=0)),
                ('faces', models.PositiveIntegerField(default=0, help_text='Counted ones.')),
                ('narrow_faces', models.PositiveIntegerField(default=0, help_text='Found, and too small to be counted.')),
                ('sums', models.JSONField(default=dict)),
                ('replicates', models.BinaryField(default=bytes)),
                ('told', models.JSONField(default=dict, help_text='The sums as they were told last, and what was told together.')),
                ('told_replicates', models.BinaryField(default=bytes)),
                ('told_photos', models.PositiveIntegerField(default=0, help_text='With faces, when they were told last.')),
                ('told_faces', models.PositiveIntegerField(default=0)),
                ('told_at', models.DateTimeField(null=True)),
                ('collection', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='aggregates', to='classifier.collection')),
                ('model_version', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='aggregates', to='classifier.modelversion')),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('collection', 'model_version'), name='one_aggregate_per_version')],
            },
        ),
    ]
