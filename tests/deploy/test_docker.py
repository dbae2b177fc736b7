"""docker/: read, since there is no Docker where tests run."""

import re
import runpy
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from rendered import Rendered, holds

import llamaduo

ROOT = Path(llamaduo.__file__).parents[1]
DOCKER = ROOT / "docker"
IMAGE = DOCKER / "trainer" / "Dockerfile"


@pytest.fixture(scope="module")
def written() -> dict[str, str]:
    """What render.py would write."""
    texts: Any = runpy.run_path(str(DOCKER / "render.py"))["texts"]()
    assert isinstance(texts, dict)
    return texts


def test_what_stands_in_the_folder_is_what_is_rendered(written: dict[str, str]) -> None:
    other = [name for name, text in written.items() if (DOCKER / name).read_text() != text]
    assert not other, f"python docker/render.py writes {other} anew"


def test_all_that_holds_for_a_rendered_folder_holds_for_the_example() -> None:
    found = Rendered(DOCKER)
    holds(found)
    profiles = {name: one["profiles"] for name, one in found.services.items()}
    assert profiles == {
        "tgi": ["serve"],
        "vllm": ["vllm"],
        "gateway": ["gateway"],
        "prometheus": ["metrics"],
        "grafana": ["metrics"],
    }
    for profile, name in (("serve", "tgi"), ("vllm", "vllm")):
        assert f"{profile}: http://{name}:" in found.text(".env.example")


def test_the_team_server_joins_without_its_names_meeting_ours() -> None:
    said = yaml.safe_load((DOCKER / "compose.team.yaml").read_text())
    assert set(said) == {"name", "include"}
    parts = [yaml.safe_load((DOCKER / path).read_text()) for path in said["include"]]
    assert said["name"] == parts[0]["name"]
    for key in ("services", "volumes"):
        names = [name for part in parts for name in part[key]]
        assert len(names) == len(set(names)), names


def test_the_trainer_is_built_from_what_the_wheel_is_built_from_and_nothing_else() -> None:
    copied = re.findall(r"^COPY (.+) \S+$", IMAGE.read_text(), re.MULTILINE)
    sources = {name for line in copied for name in line.split()}
    assert all((ROOT / name).exists() for name in sources)
    ignored = IMAGE.with_name("Dockerfile.dockerignore").read_text().splitlines()
    assert "*" in ignored
    assert {line[1:] for line in ignored if line.startswith("!")} == sources
    build = tomllib.loads((ROOT / "pyproject.toml").read_text())
    included = build["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    assert {*included, "llamaduo", build["project"]["readme"]} <= sources
    assert set(build["project"]["license-files"]) <= sources


def test_the_trainer_pins_its_base_and_libraries_and_runs_as_nobody_in_particular() -> None:
    text = IMAGE.read_text()
    [image] = re.findall(r"^ARG CUDA_IMAGE=(\S+)$", text, re.MULTILINE)
    assert re.fullmatch(r"nvidia/cuda:\d+\.\d+\.\d+-base-ubuntu\d+\.\d+", image)
    installs = re.findall(r"pip install [^&\n]+", text)
    assert all("-c constraints.txt" in line or "--no-deps" in line for line in installs)
    lines = [line for line in text.splitlines() if line and not line.startswith(("#", " "))]
    assert [line for line in lines if line.startswith("USER")] == ["USER llamaduo"]
    assert lines.index("USER llamaduo") > max(
        i for i, line in enumerate(lines) if line.startswith("RUN")
    )
    assert lines[-1] == 'ENTRYPOINT ["llamaduo"]'


def test_the_trainers_first_layer_asks_for_libraries_that_are_all_pinned(tmp_path: Path) -> None:
    text = IMAGE.read_text().replace("\\\n", "")
    [program] = re.findall(r'python -c "(import tomllib.*?)" +> ', text)
    shutil.copyfile(ROOT / "pyproject.toml", tmp_path / "pyproject.toml")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    said = _run(program, tmp_path)
    assert set(project["dependencies"]) < set(said)
    pinned = {
        line.partition("==")[0].lower().replace("_", "-")
        for line in (ROOT / "constraints.txt").read_text().splitlines()
    }
    for requirement in said:
        name = re.split(r"[<>=\[]", requirement)[0].lower().replace("_", "-")
        assert name in pinned, requirement


def _run(program: str, folder: Path) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, check=True
    )
    return done.stdout.split()
