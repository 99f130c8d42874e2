"""Somebody's data to take along: whole, theirs alone, made once, there for a day, gone with the account."""

import csv
import io
import json
import zipfile
from datetime import timedelta
from pathlib import Path

import pytest
from django.urls import reverse
from django.utils import timezone

from classifier import tasks
from classifier.models import AccountExport, AuditEvent, Job, Photo, State, User
from classifier.services import accounts, deletion, disk, doctor, exports, jobs, tokens
from classifier.services.reviews import answering, drawing
from tests import factories
from tests.kills import kill_at_steps

SAID = {"race": "Black", "gender": "Female", "age": "30-39"}


@pytest.fixture
def faces(collection):
    return [factories.make_face(factories.make_photo(collection, name=f"{n}.jpg")) for n in range(3)]


def make(user: User) -> AccountExport:
    exports.ask_for_export(user)
    assert jobs.run_once() == 1
    return exports.find_newest(user)


def opened(export: AccountExport, media: Path) -> zipfile.ZipFile:
    return zipfile.ZipFile(media / export.file)


def lines(archive: zipfile.ZipFile, name: str) -> list[dict]:
    return [json.loads(line) for line in archive.read(name).decode().splitlines()]


def test_it_holds_everything_that_is_theirs_and_nothing_that_is_not(faces, alice, bob, collection, media):
    others = factories.make_face(factories.make_photo(factories.CollectionFactory(owner=bob), name="bobs.jpg"))
    tokens.create_token(alice, name="laptop")
    tokens.create_token(bob, name="bobs-laptop")
    draw = drawing.begin_draw(collection, creator=alice, attribute="race", size=2)
    drawn = draw.drawn_faces.first().face
    answering.answer_face(draw, face=drawn, reviewer=alice, answer=answering.Answer(answers=SAID))
    export = make(alice)
    with opened(export, media) as archive:
        assert archive.testzip() is None
        folder = f"collections/{collection.uid}"
        photos = {f"{folder}/photos/{face.photo.uid}.jpg" for face in faces}
        assert photos <= set(archive.namelist())
        assert archive.read(min(photos)) == Path(Photo.objects.get(uid=Path(min(photos)).stem).image.path).read_bytes()
        results = lines(archive, f"{folder}/results.jsonl")
        assert [row["name"] for row in results] == ["0.jpg", "1.jpg", "2.jpg"]
        guess = results[0]["faces"][0]["guesses"][0]["probabilities"]
        assert guess.keys() == {"race", "gender", "age"}
        assert sum(guess["race"].values()) == pytest.approx(1)
        account = json.loads(archive.read("account.json"))
        assert (account["username"], [token["name"] for token in account["tokens"]]) == ("alice", ["laptop"])
        said = list(csv.DictReader(io.StringIO(archive.read("reviews.csv").decode())))
        assert [(row["reviewed_race"], row["reviewed_gender"]) for row in said] == [("Black", "Female")]
        assert "data export asked for" in [row["action"] for row in lines(archive, "audit.jsonl")]
        everything = b"".join(archive.read(name) for name in archive.namelist())
        assert not [word for word in (b"bobs", str(others.photo.uid).encode(), b"digest") if word in everything]
    assert (media / export.file).stat().st_mode & 0o077 == 0


def test_asked_for_twice_it_is_made_once_and_a_new_one_takes_the_place_of_the_old(faces, alice, media):
    first = exports.ask_for_export(alice)
    assert exports.ask_for_export(alice) == first
    assert Job.objects.count() == 1
    jobs.run_once()
    second = make(alice)
    assert second != first
    assert [path.name for path in (media / "exports").iterdir()] == [f"{second.uid}.zip"]


def test_its_link_is_theirs_and_holds_for_a_day(faces, alice, bob_client, alice_client, media, monkeypatch):
    export = make(alice)
    link = reverse("export-fetch", args=[export.uid])
    answer = alice_client.get(link)
    assert answer["Content-Disposition"].startswith('attachment; filename="facet-')
    assert answer["Cache-Control"] == "private, no-store"
    assert b"".join(answer.streaming_content) == (media / export.file).read_bytes()
    assert bob_client.get(link).status_code == 404
    later = timezone.now() + timedelta(days=1, seconds=1)
    monkeypatch.setattr(timezone, "now", lambda: later)
    assert alice_client.get(link).status_code == 404
    tasks.sweep()
    assert not list((media / "exports").iterdir())
    assert [finding.what for finding in (doctor.find_orphan_files(),) if finding] == []


def test_no_room_is_told_and_leaves_nothing(faces, alice, alice_client, media, monkeypatch):
    monkeypatch.setattr(disk, "has_room", lambda **_: False)
    export = make(alice)
    assert (export.job.state, export.job.code) == (State.FAILED, Job.Code.DISK_FULL)
    assert "the disk was full" in alice_client.get(reverse("account-detail")).content.decode()
    assert not list((media / "exports").iterdir())


@pytest.mark.django_db(transaction=True)
def test_a_worker_that_is_killed_at_any_step_leaves_the_job_to_the_next(faces, alice, media, settings):
    exports.ask_for_export(alice)

    def work():
        Job.objects.filter(state=State.RUNNING).update(lease_until=timezone.now() - timedelta(seconds=1), lost=0)
        jobs.run_once()

    assert kill_at_steps(work) >= 2
    export = exports.find_newest(alice)
    assert export.is_ready()
    assert [path.name for path in (media / "exports").iterdir()] == [f"{export.uid}.zip"]


def test_an_account_that_is_deleted_takes_its_export_along(faces, alice, media):
    done = make(alice)
    exports.ask_for_export(alice)
    job = Job.objects.claim(limit=1)[0]
    assert accounts.delete_account(alice)
    exports.make_export(job, token=job.token)  # a worker that had it still
    deletion.finish_deletions()
    assert not list(media.rglob("*.zip"))
    assert not User.objects.filter(pk=alice.pk).exists()
    assert AuditEvent.objects.filter(target=f"export {done.uid}").exists()
