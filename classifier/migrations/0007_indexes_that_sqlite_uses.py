from django.db import migrations, models

from classifier.index_operations import BuildIndex, DropIndex


class Migration(migrations.Migration):
    # Photos come and are analysed while the indexes of a large table are built.
    atomic = False

    dependencies = [
        ('classifier', '0006_indexes_of_large_collections'),
    ]

    operations = [
        BuildIndex(
            model_name='job',
            index=models.Index(models.F('turn'), models.F('id'), condition=models.Q(('state', 'queued')), name='job_queue'),
        ),
        BuildIndex(
            model_name='job',
            index=models.Index(models.F('lease_until'), condition=models.Q(('state', 'running')), name='job_leases'),
        ),
        BuildIndex(
            model_name='photo',
            index=models.Index(models.F('turn'), models.F('id'), condition=models.Q(('state', 'queued')), name='photo_queue'),
        ),
        BuildIndex(
            model_name='photo',
            index=models.Index(models.F('lease_until'), condition=models.Q(('state', 'running')), name='photo_leases'),
        ),
        BuildIndex(
            model_name='photo',
            index=models.Index(fields=['collection', 'state', '-received_at', '-id'], name='photo_gallery_of_state'),
        ),
        # Those that keep their name are away only while each is built anew.
        DropIndex(
            model_name='job',
            name='job_started',
        ),
        BuildIndex(
            model_name='job',
            index=models.Index(fields=['started_at'], name='job_started'),
        ),
        DropIndex(
            model_name='photo',
            name='photo_started',
        ),
        BuildIndex(
            model_name='photo',
            index=models.Index(fields=['started_at'], name='photo_started'),
        ),
        DropIndex(
            model_name='photo',
            name='photo_run',
        ),
        BuildIndex(
            model_name='photo',
            index=models.Index(models.F('collection'), models.F('queued_at'), condition=models.Q(('state', 'queued')), name='photo_run'),
        ),
        # What the new ones do better goes when they are there.
        DropIndex(
            model_name='job',
            name='job_claim',
        ),
        DropIndex(
            model_name='photo',
            name='photo_claim',
        ),
        DropIndex(
            model_name='photo',
            name='photo_states',
        ),
    ]
