"""Prices that litellm ships: found by name, per million tokens, never guessed."""

import json
import subprocess
import sys
from importlib.metadata import distribution, version
from pathlib import Path

import litellm
import pytest

from llamaduo.cost import project, table
from llamaduo.errors import UsageError
from llamaduo.service.prices import MAP, listed, why_unknown
from llamaduo.workload import Workload
from llamaduo.workload.price import Asked

ROW = {
    "litellm_provider": "openai",
    "mode": "chat",
    "input_cost_per_token": 2.5e-06,
    "output_cost_per_token": 1e-05,
}
BATCHES = {"input_cost_per_token_batches": 1.25e-06, "output_cost_per_token_batches": 5e-06}


@pytest.fixture
def a_map(monkeypatch: pytest.MonkeyPatch) -> None:
    """A map of our own: a release of litellm may change its rows."""
    rows = {
        "plain": ROW,
        "whole": ROW | BATCHES | {"cache_read_input_token_cost": 7.5e-08, "source": "a page"},
        "half": ROW | {"input_cost_per_token_batches": 1e-06},
        "picture": {"litellm_provider": "openai", "output_cost_per_image": 0.04},
        "sample_spec": ROW,
    }
    monkeypatch.setattr(litellm, "model_cost", rows)


@pytest.mark.usefixtures("a_map")
def test_a_price_is_per_million_tokens_and_has_only_what_the_map_has() -> None:
    plain, whole, half = listed("plain"), listed("whole"), listed("half")
    assert (plain.input, plain.output) == (2.5, 10.0)
    assert (plain.cached_input, plain.batch_input, plain.batch_output) == (None, None, None)
    assert (whole.cached_input, whole.batch_input, whole.batch_output) == (0.075, 1.25, 5.0)
    assert (half.batch_input, half.batch_output) == (None, None)


@pytest.mark.usefixtures("a_map")
def test_the_source_names_the_version_the_page_and_that_there_is_no_date() -> None:
    assert listed("whole").source == (
        f"the price map of litellm {version('litellm')}, which has no date and names a page"
    )
    assert listed("plain").source.endswith("names no page")


@pytest.mark.usefixtures("a_map")
def test_a_provider_may_stand_in_front_but_not_another_one() -> None:
    assert listed("openai/plain") == listed("plain")
    with pytest.raises(UsageError, match="has no model 'azure/plain'"):
        listed("azure/plain")


@pytest.mark.usefixtures("a_map")
@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("whol", "did you mean `whole`"),
        ("picture", "litellm has no price of tokens for picture"),
        ("sample_spec", "no price of tokens for sample_spec"),
        ("zzzzzzzzz", r"has no model 'zzzzzzzzz' \(or give input, output, as_of and source\)"),
    ],
)
def test_a_model_without_a_price_is_refused_with_what_to_do(name: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        listed(name)


def test_the_map_is_read_from_its_file_too_with_the_same_models() -> None:
    rows = json.loads(Path(str(distribution("litellm").locate_file(MAP))).read_bytes())
    assert litellm.model_cost.keys() <= rows.keys()
    assert why_unknown("gpt-4o-mini") == why_unknown("openai/gpt-4o-mini") == ""
    assert "has no model 'gpt-4o-mni'; did you mean `gpt-4o-mini`" in why_unknown("gpt-4o-mni")


def test_an_unknown_name_over_given_dollars_is_said_with_both_faults_and_without_litellm() -> None:
    code = (
        "import sys\n"
        "from llamaduo.config import from_overrides\n"
        "from llamaduo.errors import ConfigError\n"
        "try:\n"
        "    from_overrides(['workload=light', 'workload.price.litellm=gpt-4o-mni'])\n"
        "except ConfigError as error:\n"
        "    print(error)\n"
        "print('litellm' in sys.modules)\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "set to null: input, output, as_of, source; and the price map of litellm" in ran.stdout
    assert "did you mean `gpt-4o-mini`" in ran.stdout
    assert ran.stdout.endswith("False\n")


def test_the_shipped_map_has_gpt_4o_mini_and_the_table_says_where_it_is_from() -> None:
    workload = Workload.model_validate(
        {
            "name": "ours",
            "local_name": "Gemma 2B",
            "service_name": "GPT-4o mini",
            "input_tokens_per_day": 1_000_000,
            "output_tokens_per_day": 1_000_000,
            "price": {"litellm": "gpt-4o-mini"},
            "tuning_usd": 1,
            "servers": 1,
            "server_usd": 1,
            "watts_per_server": 1,
            "usd_per_kwh": 0.1,
        }
    )
    found = listed("gpt-4o-mini")
    projection = project(workload)
    assert projection.services[0].tokens_usd == pytest.approx(30 * (found.input + found.output))
    said = " ".join(table(workload, projection).split())
    assert f"gpt-4o-mini in the price map of litellm {version('litellm')}" in said


def test_a_price_is_looked_up_when_it_is_used_and_not_when_it_is_read() -> None:
    assert Asked(litellm="no-such-model").litellm == "no-such-model"
    code = (
        "import sys; from llamaduo.config import from_overrides; "
        "from_overrides(['workload=ranges']); sys.exit('litellm' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
