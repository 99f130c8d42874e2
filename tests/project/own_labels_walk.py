"""python -m tests.project.own_labels_walk PHOTO TOLD.json: a site whose model tells gender and age in its own labels.

`test_own_labels` runs it in a process of its own, since labels are declared once in a process.
"""

import json
import os
import sys
from pathlib import Path

from tests.project.attribute_walk import log_in, send

ADDRESSES = ("collection-detail", "collection-report", "collection-edit", "collection-summary", "draw-new")


def main() -> None:
    os.environ["DJANGO_SETTINGS_MODULE"] = "webapp.settings"
    import django

    django.setup()
    from django.core.management import call_command
    from django.urls import reverse

    from classifier.models import Face, ModelVersion
    from classifier.services import collections, predictions
    from ml import labels

    call_command("migrate", verbosity=0)
    call_command("createcachetable", verbosity=0)
    client, person = log_in()
    collection = collections.create_collection(person, name="Own", purpose="trying", attributes=list(labels.ATTRIBUTES))
    face = send(client, collection, photo=Path(sys.argv[1]))

    def read(name: str, uid: object, **query: str) -> str:
        answer = client.get(reverse(name, args=[uid]), query)
        body = b"".join(answer.streaming_content) if answer.streaming else answer.content
        assert answer.status_code == 200, (name, query, answer.status_code)
        return body.decode()

    photo = face.photo.uid
    told = {
        "api": json.loads(read("api-photo-detail", photo))["faces"][0]["predictions"],
        "page": read("photo-detail", photo),
        "gallery": read("collection-detail", collection.uid, gender="Non-binary", age="Teen"),
        "csv": read("collection-faces", collection.uid).splitlines()[0],
        "guess": face.guesses.get(attribute="gender").label,
    }
    for name in ADDRESSES:
        read(name, collection.uid)
    # What a version said before, in the labels that were spoken then.
    card = {"labels": {"gender": ["Male", "Female"], "race": list(labels.RACE)}}
    before = ModelVersion.objects.create(name="before", sha256="b" * 64, card=card)
    said = {"gender": [0.2, 0.8], "race": face.prediction.vectors["race"]}
    face.predictions.update(is_current=False)
    face.predictions.create(model_version=before, vectors=said)
    face = Face.objects.get(pk=face.pk)
    told["before"] = sorted(predictions.describe_prediction(face.prediction))
    told["label_before"] = face.prediction.predicted_label("gender")
    told["page_before"] = read("photo-detail", photo)
    told["csv_before"] = read("collection-faces", collection.uid).splitlines()[1]
    read("collection-report", collection.uid)
    Path(sys.argv[2]).write_text(json.dumps(told))


if __name__ == "__main__":
    main()
