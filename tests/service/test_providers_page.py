"""The page of providers names every key of a service, and the files we ship say today's prices."""

import re
from pathlib import Path

import pytest
import yaml

from llamaduo.service.chat import ChatService, Price
from llamaduo.service.prices import listed

ROOT = Path(__file__).parents[2]
LISTED = ("gpt", "claude", "gemini_flash", "vertex")


def test_every_key_of_a_service_is_on_the_page_and_no_other() -> None:
    page = (ROOT / "docs/providers.md").read_text()
    rows = re.findall(r"^\| (`[^|]*) \|", page.partition("## All keys")[2], re.MULTILINE)
    named = {name: "*" in row for row in rows for name in re.findall(r"`([\w.]+)`", row)}
    fields = set(ChatService.model_fields) - {"price"}
    assert set(named) == fields | {f"price.{name}" for name in Price.model_fields}
    keeps = {name for name, marked in named.items() if marked and "." not in name}
    assert keeps == fields & ChatService.operational


@pytest.mark.parametrize("name", LISTED)
def test_prices_that_are_said_to_be_litellms_are(name: str) -> None:
    said = yaml.safe_load((ROOT / f"conf/service/{name}.yaml").read_text())
    price, found = said["price"], listed(said["model"])
    assert price["source"].startswith("litellm ")
    for key in ("input", "output", "cached_input", "cache_write"):
        assert price[key] == getattr(found, key), key
    if price["batch"] is not None:
        assert found.batch_input == price["batch"] * price["input"]
        assert found.batch_output == price["batch"] * price["output"]


@pytest.mark.parametrize(
    "file", sorted((ROOT / "conf/service").glob("*.yaml")), ids=lambda p: p.stem
)
def test_every_key_of_a_file_has_its_consequence_beside_it(file: Path) -> None:
    lines = file.read_text().splitlines()
    assert lines[0].startswith("# ")
    bare = [line for line in lines if re.match(r" *\w+: ", line) and " #" not in line]
    assert not [line for line in bare if not line.startswith(("_target_", "defaults"))]
