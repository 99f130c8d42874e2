import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('classifier', '0019_draw_of_a_report'),
    ]

    operations = [
        migrations.AddIndex(
            model_name='review',
            index=models.Index(fields=['draw', 'reviewer_uid', 'face'], name='review_pass_faces'),
        ),
        migrations.RemoveIndex(
            model_name='review',
            name='review_pass',
        ),
        migrations.AlterField(
            model_name='review',
            name='draw',
            field=models.ForeignKey(blank=True, db_index=False, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='reviews', to='classifier.draw'),
        ),
    ]
