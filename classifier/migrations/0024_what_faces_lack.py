from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('classifier', '0023_doubts_counted_and_draws_kept'),
    ]

    operations = [
        migrations.AddField(
            model_name='face',
            name='cut_off',
            field=models.BooleanField(default=False, help_text='So much of it lies outside the photo that guesses about it err: all are unsure.'),
        ),
        migrations.AddField(
            model_name='photo',
            name='no_face_because',
            field=models.CharField(blank=True, default='', editable=False, help_text='Why none was found, as far as that shows.', max_length=12),
        ),
    ]
