"""A rendered folder, read: what has to hold for every model and every engine."""

import json
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml
from documented import figures
from jsonschema import Draft202012Validator

SCHEMA = json.loads((Path(__file__).parent / "compose_schema.json").read_text())
SECRET = re.compile("PASSWORD|SECRET|TOKEN$|_KEY$")
PINNED = re.compile(r"[\w./-]+:v?(\d+\.\d+|[a-z-]+-b\d+)[\w.-]*")
"""By a version, or llama.cpp's number of a build; never `latest`, `main` or nothing."""


@dataclass(frozen=True)
class Rendered:
    """The files of a folder."""

    place: Path

    @cached_property
    def compose(self) -> Any:
        return yaml.safe_load(self.text("compose.yaml"))

    @cached_property
    def services(self) -> dict[str, Any]:
        found: dict[str, Any] = self.compose["services"]
        return found

    @cached_property
    def example(self) -> dict[str, str]:
        lines = self.text(".env.example").splitlines()
        return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))

    def text(self, name: str) -> str:
        return (self.place / name).read_text(encoding="utf-8")

    @property
    def engines(self) -> list[str]:
        return [name for name in self.services if name not in ("gateway", "prometheus", "grafana")]


def holds(found: Rendered) -> None:
    """Assert all that holds for every rendered folder."""
    assert not [e.message for e in Draft202012Validator(SCHEMA).iter_errors(found.compose)]
    _networks(found)
    _variables(found)
    _gateway(found)
    _metrics(found)


def _networks(found: Rendered) -> None:
    """Only the gateway and Grafana are published; what is stored is declared."""
    assert {name for name, one in found.services.items() if "ports" in one} == {
        "gateway",
        "grafana",
    }
    networks = found.compose["networks"]
    assert networks["inside"] == {"internal": True}
    for name, one in found.services.items():
        assert "inside" in one["networks"] and set(one["networks"]) <= set(networks), name
        for volume in one.get("volumes", []):
            kept = volume.split(":")[0]
            assert kept in found.compose["volumes"] if not kept.startswith("./") else True
            if kept.startswith("./") and kept != "./models":
                assert (found.place / kept).exists(), kept
        assert set(one.get("secrets", [])) <= set(found.compose["secrets"]), name
    for name in found.engines:
        assert "outside" not in found.services[name]["networks"]
        assert "./models:/models:ro" in found.services[name]["volumes"]
        assert ("hub" in found.services[name]["networks"]) is any(
            volume.startswith("hub:") for volume in found.services[name]["volumes"]
        )
    assert found.services["prometheus"]["networks"] == ["inside"]
    over = yaml.safe_load(found.text("compose.probe.yaml"))["services"]
    assert set(over) == set(found.engines)
    for one in over.values():
        assert one["networks"] == ["outside"] and "ENGINE_LISTEN" in one["ports"][0]


def _variables(found: Rendered) -> None:
    """Every variable is required, explained and no other; images are pinned; secrets empty."""
    text = found.text("compose.yaml") + found.text("compose.probe.yaml")
    wanted = set(re.findall(r"\$\{(\w+):\?[^}]+\}", text))
    assert text.count("$") == len(re.findall(r"\$\{\w+:\?[^}]+\}", text))
    assert set(found.example) == wanted
    assert {n for n, value in found.example.items() if not value} == {
        n for n in found.example if SECRET.search(n)
    }
    blocks = found.text(".env.example").strip().split("\n\n")
    for name, value in found.example.items():
        [block] = [one for one in blocks if one.endswith(f"\n{name}={value}")]
        assert block.startswith("# ") and len(block.splitlines()) >= 2, name
        if name.endswith("_IMAGE"):
            assert PINNED.fullmatch(value), value
        if name.endswith("_LISTEN"):
            assert value.startswith("127.0.0.1:")
    for one in found.services.values():
        for name, value in one.get("environment", {}).items():
            if SECRET.search(name):
                assert re.fullmatch(r"\$\{\w+:\?[^}]+\}", value), name
    for path in found.place.rglob("*"):
        if path.suffix in (".yaml", ".yml", ".json", ".md"):
            assert not re.search(r"\b(sk-|hf_)\w{6,}", path.read_text(encoding="utf-8")), path


def _gateway(found: Rendered) -> None:
    """The gateway asks the engine by a name and an address that are there."""
    said = yaml.safe_load(found.text("litellm.yaml"))
    [model] = said["model_list"]
    params = model["litellm_params"]
    places = {f"http://{name}:{_port(found, name)}/v1" for name in found.engines}
    if params["api_base"] == "os.environ/ENGINE_URL":
        assert found.example["ENGINE_URL"] in places
        assert all(place in found.text(".env.example") for place in places)
    else:
        assert {params["api_base"]} == places
    assert params["model"].startswith("openai/") and model["model_name"]
    told = found.services["gateway"]["environment"]
    for value in re.findall(r"os\.environ/(\w+)", found.text("litellm.yaml")):
        assert value in told
    assert said["general_settings"]["master_key"] == "os.environ/LITELLM_MASTER_KEY"


def _port(found: Rendered, engine: str) -> int:
    over = yaml.safe_load(found.text("compose.probe.yaml"))["services"]
    return int(over[engine]["ports"][0].rpartition(":")[2])


def _metrics(found: Rendered) -> None:
    """Prometheus asks services that are there; the dashboard names figures that exist."""
    said = yaml.safe_load(found.text("prometheus.yml"))
    jobs = {job["job_name"]: job for job in said["scrape_configs"]}
    assert set(jobs) == {*found.engines, "gateway"}
    for name, job in jobs.items():
        port = _port(found, name) if name in found.engines else 4000
        assert job["static_configs"] == [{"targets": [f"{name}:{port}"]}]
        if "authorization" in job:
            file = Path(job["authorization"]["credentials_file"])
            assert file.parent == Path("/run/secrets")
            assert file.name in found.services["prometheus"]["secrets"]
    assert "authorization" in jobs["gateway"]
    source = yaml.safe_load(found.text("grafana/provisioning/datasources/prometheus.yaml"))
    [asked] = source["datasources"]
    assert asked["url"] == "http://prometheus:9090"
    assert yaml.safe_load(found.text("grafana/provisioning/dashboards/llamaduo.yaml"))["providers"]
    board = json.loads(found.text("grafana/dashboards/serving.json"))
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"]) >= 4
    for panel in board["panels"]:
        assert panel["datasource"]["uid"] == asked["uid"]
        assert panel["targets"]
        for target in panel["targets"]:
            assert figures(target["expr"]), target["expr"]
