"""`.env.example`, the locks and the container files agree with the code."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml
from django.conf import settings
from packaging.requirements import Requirement

ROOT = Path(settings.BASE_DIR)
IMAGES = ("web", "web-heif", "worker")
VARIABLE = re.compile(r"^(?:# )?([A-Z][A-Z_]+)=", re.MULTILINE)


def read(name: str) -> str:
    return (ROOT / name).read_text()


def pins(name: str) -> dict[str, set[str]]:
    """Package name -> pinned versions (more than one where they differ by Python version)."""
    found: dict[str, set[str]] = {}
    for package, version in re.findall(r"^([a-z0-9.-]+)==([^ ;\\]+)", read(name), re.MULTILINE):
        found.setdefault(package, set()).add(version)
    return found


def compose() -> dict:
    return yaml.safe_load(read("docker-compose.yml"))


def test_the_example_explains_every_variable_that_is_read_and_no_other():
    in_settings = set(re.findall(r"\benv(?:\.\w+)?\(\s*\"(\w+)\"", read("webapp/settings.py")))
    in_compose = set(re.findall(r"\$\{(\w+)", read("docker-compose.yml")))
    assert set(VARIABLE.findall(read(".env.example"))) == in_settings | in_compose


def test_the_example_sets_nothing_until_somebody_chooses():
    assert not [line for line in read(".env.example").splitlines() if line and not line.startswith("#")]


def test_only_the_settings_read_the_environment():
    """Handing the whole of it on to a child process is not reading."""
    readers = [
        str(path.relative_to(ROOT))
        for folder in ("classifier", "ml", "webapp")
        for path in (ROOT / folder).rglob("*.py")
        if re.search(
            r"NamingEnv\(\)|environ\.Env\b|os\.getenv|os\.environ(\.get|\.pop|\[\"\w+\"\](?! =))", path.read_text()
        )
    ]
    assert readers == ["webapp/settings.py"]


@pytest.mark.parametrize("lock", ["requirements.lock", *(f"requirements/{name}.lock" for name in IMAGES)])
def test_a_lock_has_hashes_and_names_no_machine(lock):
    text = read(lock)
    assert not re.search(r"https?:|file:|find-links|index-url|^/|^-e ", text, re.MULTILINE)
    assert all("--hash=sha256:" in block for block in re.split(r"^(?=[a-z])", text, flags=re.MULTILINE)[1:])


def test_the_lock_holds_what_the_project_asks_for():
    project = tomllib.loads(read("pyproject.toml"))["project"]
    pinned = pins("requirements.lock")
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    for requirement in (Requirement(line) for group in groups for line in group):
        versions = pinned[requirement.name.lower()]
        assert all(requirement.specifier.contains(version) for version in versions), requirement


def test_the_images_get_the_versions_that_the_tests_ran_with():
    everything = pins("requirements.lock")
    for name in IMAGES:
        assert pins(f"requirements/{name}.lock").items() <= everything.items()
    assert pins("requirements/web.lock").keys() <= pins("requirements/worker.lock").keys()


def test_the_web_image_has_no_torch():
    assert not {"torch", "torchvision", "facenet-pytorch", "onnxruntime"} & pins("requirements/web.lock").keys()
    assert "torch" in pins("requirements/worker.lock")


def test_what_reads_heic_is_in_the_image_that_is_asked_for_it_alone():
    """Its wheels hold libx265, which is under the GPL and would bind whoever hands an image on."""
    assert "pillow-heif" in pins("requirements.lock")
    assert "pillow-heif" not in pins("requirements/web.lock").keys() | pins("requirements/worker.lock").keys()
    asked = pins("requirements/web-heif.lock")
    assert asked == {**pins("requirements/web.lock"), "pillow-heif": asked["pillow-heif"]}
    assert "ARG HEIF=no\n" in read("Dockerfile")
    assert compose()["services"]["web"]["build"]["args"] == {"HEIF": "${FACET_HEIF:-no}"}


def test_compose_names_only_what_exists():
    services, volumes = compose()["services"], compose()["volumes"]
    targets = set(re.findall(r"^FROM \S+ AS (\S+)", read("Dockerfile"), re.MULTILINE))
    assert {"web", "worker", "worker-gpu", "beat", "db", "redis"} <= services.keys()
    for name, service in services.items():
        assert service["image"], name
        assert service.get("build", {"target": "web"})["target"] in targets
        assert set(service.get("depends_on", {})) <= services.keys()
        assert {volume.partition(":")[0] for volume in service["volumes"]} <= volumes.keys() | {"."}
        assert service["restart"] == ("no" if name == "migrate" else "unless-stopped")


def test_the_web_image_backs_up_the_database_of_compose():
    """`pg_dump` refuses a server of a later version than its own; trixie is the Debian that has this one."""
    server = re.match(r"postgres:(\d+)", compose()["services"]["db"]["image"])[1]
    web = read("Dockerfile").partition(" AS web\n")[2].partition("\nFROM ")[0]
    assert f"postgresql-client-{server} " in web
    assert web.index("apt-get") < web.index("USER facet")
    assert "FROM python:3.11-slim-trixie AS base\n" in read("Dockerfile")


def test_compose_keeps_messages_and_shares_the_photos():
    services = compose()["services"]
    assert "--appendonly yes" in services["redis"]["command"]
    assert "--maxmemory-policy noeviction" in services["redis"]["command"]
    assert services["web"]["volumes"] == services["worker"]["volumes"] == services["beat"]["volumes"]
    assert services["worker-gpu"]["profiles"] == ["gpu"]


def test_only_this_machine_reaches_the_site_of_compose_and_nobody_its_servers():
    services = compose()["services"]
    assert all(port.startswith("127.0.0.1:") for port in services["web"]["ports"])
    assert "ports" not in services["db"]
    assert "ports" not in services["redis"]


def test_what_the_images_copy_is_let_through():
    ignored = read(".dockerignore").splitlines()
    for path in ("LICENSE", "NOTICE", "manage.py", "requirements", "webapp", "classifier", "ml", "templates", "static"):
        assert f"!{path}" in ignored
        assert (ROOT / path).exists()
