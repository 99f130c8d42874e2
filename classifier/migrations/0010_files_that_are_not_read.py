from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("classifier", "0009_keeping_and_forgetting")]

    operations = [
        migrations.AlterField(
            model_name="uploaditem",
            name="outcome",
            field=models.CharField(
                choices=[
                    ("accepted", "accepted"),
                    ("duplicate", "already in this collection"),
                    ("empty", "empty file"),
                    ("too_large", "too many bytes"),
                    ("too_many_pixels", "too many pixels"),
                    ("unsupported", "not a format Facet reads"),
                    ("damaged", "does not decode"),
                    ("not_read", "not read yet, send it again"),
                ],
                max_length=16,
            ),
        ),
    ]
