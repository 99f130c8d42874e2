from django.db import migrations

REVIEWERS = "reviewers"
VIEWED_MODELS = ("collection", "photo", "face", "prediction", "modelversion")


def make_group(apps, schema_editor):
    """The group that makes a reviewer. Permissions are normally made after all migrations; here they are needed now."""
    database = schema_editor.connection.alias
    content_types = apps.get_model("contenttypes", "ContentType").objects.using(database)
    permissions = apps.get_model("auth", "Permission").objects.using(database)
    group, _ = apps.get_model("auth", "Group").objects.using(database).get_or_create(name=REVIEWERS)
    for name in VIEWED_MODELS:
        verbose_name = apps.get_model("classifier", name)._meta.verbose_name
        content_type, _ = content_types.get_or_create(app_label="classifier", model=name)
        permission, _ = permissions.get_or_create(
            content_type=content_type, codename=f"view_{name}", defaults={"name": f"Can view {verbose_name}"}
        )
        group.permissions.add(permission)


class Migration(migrations.Migration):
    dependencies = [
        ("classifier", "0001_initial"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]

    # Nothing to undo: removing the group would take its members' rights away.
    operations = [migrations.RunPython(make_group, migrations.RunPython.noop)]
