from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("classifier", "0002_reviewers_group")]

    operations = [
        migrations.AlterField(
            model_name="auditevent",
            name="previous_hash",
            field=models.CharField(blank=True, max_length=64, unique=True),
        ),
    ]
