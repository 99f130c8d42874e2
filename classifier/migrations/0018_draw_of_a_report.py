from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("classifier", "0017_how_photos_are_searched")]

    operations = [
        migrations.AddField(
            model_name="computedreport",
            name="draw",
            field=models.UUIDField(help_text="The key of the draw that its answers of people come from.", null=True),
        ),
        migrations.AddField(
            model_name="removedreport",
            name="uid",
            field=models.UUIDField(
                help_text="Of the report; not known of those removed long ago.", null=True, unique=True
            ),
        ),
    ]
