"""docker/tracking: read, since there is no Docker where tests run."""

import configparser
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

import llamaduo

FOLDER = Path(llamaduo.__file__).parents[1] / "docker/tracking"
EXAMPLE = dict(
    line.split("=", 1)
    for line in (FOLDER / ".env.example").read_text().splitlines()
    if line and not line.startswith("#")
)
SECRET = re.compile("PASSWORD|SECRET|_KEY")


@pytest.fixture(scope="module")
def compose() -> Any:
    return yaml.safe_load((FOLDER / "compose.yaml").read_text())


def test_each_service_says_when_it_is_healthy_and_comes_up_again(compose: Any) -> None:
    assert set(compose["services"]) == {"mlflow", "postgres", "s3"}
    for name, service in compose["services"].items():
        check = service["healthcheck"]
        assert check["test"][0] in ("CMD", "CMD-SHELL"), name
        assert {"interval", "timeout", "retries"} <= set(check), name
        assert service["restart"] == "unless-stopped"
    waits = compose["services"]["mlflow"]["depends_on"]
    assert waits == {name: {"condition": "service_healthy"} for name in ("postgres", "s3")}


def test_only_mlflow_is_published_and_what_is_stored_outlives_a_container(compose: Any) -> None:
    published = [name for name, service in compose["services"].items() if "ports" in service]
    assert published == ["mlflow"]
    for name in ("postgres", "s3"):
        volume = compose["services"][name]["volumes"][0].split(":")[0]
        assert volume in compose["volumes"]


def test_every_variable_is_required_and_explained_and_no_file_holds_a_secret(compose: Any) -> None:
    text = (FOLDER / "compose.yaml").read_text()
    wanted = set(re.findall(r"\$\{(\w+):\?", text))
    assert set(re.findall(r"\$\{(\w+)", text)) == wanted == set(EXAMPLE)
    assert {name for name, value in EXAMPLE.items() if not value} == {
        name for name in EXAMPLE if SECRET.search(name)
    }
    for service in compose["services"].values():
        for name, value in service["environment"].items():
            if SECRET.search(name) or name == "PGPASSWORD":
                assert re.fullmatch(r"\$\{\w+:\?[^}]+\}", str(value)), name
            assert not re.search("//[^/]*:[^/]*@", str(value)), name


def test_images_are_pinned_to_a_version() -> None:
    images = {name: value for name, value in EXAMPLE.items() if name.endswith("_IMAGE")}
    assert len(images) == 3
    for image in images.values():
        assert re.fullmatch(r"[\w./-]+:\d+\.\d+[\w.-]*", image), image
    assert re.fullmatch(r"\d+\.\d+\.\d+", EXAMPLE["MLFLOW_VERSION"])
    assert "FROM ${PYTHON_IMAGE}" in (FOLDER / "Dockerfile").read_text()
    assert '"mlflow[auth]==${MLFLOW_VERSION}"' in (FOLDER / "Dockerfile").read_text()


def test_users_have_a_database_that_is_made_and_see_nothing_until_it_is_given(
    compose: Any,
) -> None:
    settings = configparser.ConfigParser()
    settings.read(FOLDER / "auth.ini")
    uri = settings["mlflow"]["database_uri"]
    assert settings["mlflow"]["default_permission"] == "NO_PERMISSIONS"
    assert uri.startswith("postgresql+psycopg2://mlflow@postgres:5432/")
    assert f"create database {uri.rpartition('/')[2]};" in (FOLDER / "users.sql").read_text()
    mounted = {
        path.split(":")[0] for one in compose["services"].values() for path in one["volumes"]
    }
    assert {"./auth.ini", "./users.sql"} <= mounted
