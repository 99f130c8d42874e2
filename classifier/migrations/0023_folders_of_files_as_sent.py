from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("classifier", "0022_audit_by_uids")]

    operations = [
        migrations.AddField(
            model_name="uploaditem",
            name="folder",
            field=models.CharField(blank=True, default="", help_text="Where it lay as it was sent.", max_length=400),
        ),
    ]
