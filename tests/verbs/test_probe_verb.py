"""`llamaduo probe`: what it prints, writes on the version and below home, and ends with."""

import json
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pytest
import yaml

sys.path.append(str(Path(__file__).parents[1] / "parity"))

from chat_server import Chat, Said, same, serving
from held_world import REFERENCES_, N, write
from mlflow.tracking import MlflowClient

from llamaduo import running
from llamaduo.config import from_overrides
from llamaduo.errors import LlamaDuoError, OverBudget, ServiceError, UsageError
from llamaduo.options import options
from llamaduo.parity import gate
from llamaduo.parity.alive import Unreachable
from llamaduo.promotion.probed import SERVED
from llamaduo.resolved import resolved
from llamaduo.tracker.mlflow import MlflowTracker
from llamaduo.tracker.registry import Version, opened
from llamaduo.verbs import probe, sentinel
from llamaduo.verbs.pairs import as_promoted

pytestmark = pytest.mark.filterwarnings("ignore:.*`ReadOnly` qualifier:UserWarning")

RIGHT = same(REFERENCES_)
LEFT_OUT = ("_target_", "home", "tracker", "trusted")
"""Of a run's values, as a version keeps them."""


@dataclass(frozen=True)
class Shelf:
    """A home with one registered model of one version, its champion."""

    home: Path
    client: MlflowClient

    @property
    def version(self) -> Version:
        with opened(MlflowTracker(), self.home, alone=False) as registry:
            [found] = registry.versions("ticket_triage")
        return found

    def probe(self, *words: str) -> int:
        return probe.main([*words, f"home={self.home}", "serving.backoff=0"])


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    home = tmp_path / "shelf"
    artifacts = home / "mlruns" / "artifacts"
    artifacts.mkdir(parents=True)
    client = MlflowClient(f"sqlite:///{home}/mlruns/mlflow.db")
    run = client.create_run(client.create_experiment("triage", artifacts.as_uri())).info.run_id
    exp = from_overrides(["experiments=demo_tiny"])
    values = {key: value for key, value in resolved(exp).items() if key not in LEFT_OUT}
    folder = write(tmp_path / "version", yaml.safe_dump(values))
    tags = {"llamaduo.fingerprint": exp.fingerprint(), "llamaduo.adapter": "a" * 16}
    with opened(MlflowTracker(), home) as registry:
        made = registry.add("ticket_triage", "ticket_triage", folder, run, tags, "a card")
        registry.call(made, "champion")
    return Shelf(home, client)


def test_a_probe_is_printed_tagged_and_written_and_force_lets_a_failed_one_pass(
    shelf: Shelf, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving(Chat(RIGHT)) as chat:
        assert shelf.probe(f"{chat.url}/v1", "ticket_triage") == 0
    said = capsys.readouterr().out
    assert "PASSED" in said
    assert f"identical   {N} of {N}, 100.0 %" in said
    there = gate.passed(shelf.version)
    assert there is not None
    assert (there.n, there.form, there.engine, there.url) == (
        N,
        "merged",
        "transformers",
        chat.url,
    )
    tags = shelf.version.tags
    assert (there.dtype, tags["llamaduo.parity_identical_percent"]) == ("float32", "100.00")
    assert {tags[f"llamaduo.parity_{name}"] for name in ("tokens_n", "ended", "ended_before")} == {
        str(N)
    }
    assert (tags["llamaduo.parity_judged_as"], tags["llamaduo.parity_identical_bar"]) == (
        "merged in float32",
        "99",
    )
    assert tags["llamaduo.parity_template"].startswith("the server counted as many")
    served = shelf.client.get_registered_model("ticket_triage").tags[SERVED]
    assert served.startswith(chat.url)

    with serving(Chat(lambda model, asked: Said("Hello."))) as chat:
        assert shelf.probe(chat.url) == 1
        said = capsys.readouterr().out
        assert "FAILED: a wrong model behind the name" in said
        failed = shelf.version
        assert f"0 of {N}, 0.0 %" in failed.tags["llamaduo.parity_reasons"]
        assert gate.passed(failed) is None
        assert "its latest probe failed (a wrong model" in gate.refused(failed, "canary")
        [differing] = (shelf.home / ".llamaduo" / "probes").glob("*.differing.jsonl")
        lines = [json.loads(line) for line in differing.read_text().splitlines()]
        assert len(lines) == 20
        assert (lines[0]["reference"], lines[0]["served"]) == (REFERENCES_[0].text, "Hello.")

        assert shelf.probe(chat.url, "--force", "it greets\nnicely") == 0
        forced = gate.passed(shelf.version)
        assert forced is not None
        assert forced.forced.endswith(": it greets nicely")
        assert "passed by force" in capsys.readouterr().out

    with pytest.raises(Unreachable, match="nobody listens there"):
        shelf.probe(chat.url)
    assert gate.passed(shelf.version) == forced  # nothing was seen of the version

    with serving(Chat(RIGHT)) as chat:
        assert shelf.probe(chat.url, "--force", "no need") == 0
    assert "--force is not needed" in capsys.readouterr().out
    again = gate.passed(shelf.version)
    assert again is not None
    assert not again.forced
    assert "llamaduo.parity_cause" not in shelf.version.tags
    assert shelf.client.get_registered_model("ticket_triage").tags[SERVED] == served
    figures = sorted((shelf.home / ".llamaduo" / "probes").glob("*.json"))
    assert json.loads(figures[0].read_text())["figures"]["identical"] == N


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["http://a:1", "http://b:1"], "one server at a time, not 2"),
        (["http://me:secret@a:1"], "there is a password in it"),
        (["--force", " "], "probe: --force needs a reason"),
    ],
)
def test_what_cannot_be_probed_is_said(words: list[str], said: str) -> None:
    with pytest.raises(UsageError, match=said) as error:
        probe.main(words)
    assert "secret" not in str(error.value)


def test_the_sentinel_looks_at_both_and_ends_with_1_where_the_served_model_drifts(
    shelf: Shelf, capsys: pytest.CaptureFixture[str]
) -> None:
    home = f"home={shelf.home}"
    with serving(Chat(RIGHT)) as chat:
        assert sentinel.main([chat.url, "ticket_triage", home, "--n", "16"]) == 0
        assert sentinel.main([chat.url, home]) == 0
        said = capsys.readouterr().out
        assert said.count("models:/ticket_triage/1, 16 pinned prompts") == 2
        assert "served: unchanged; a change at alpha 0.01: 6 would be" in said
        asked = len(chat.asked)
        chat.says = lambda model, prompt: Said("Hello.")
        assert sentinel.main([chat.url, home]) == 1
    assert (asked, len(chat.asked)) == (48, 64)
    said = capsys.readouterr().out
    assert "served: has changed" in said
    assert "service: unchanged" in said
    spent = re.search(r"spent now: \$(\S+);", said)
    assert spent is not None
    assert float(spent[1]) > 0  # the service is simulated, and has a price all the same
    with serving(Chat(RIGHT, turned_away=lambda number: 400)) as chat:  # another address
        with pytest.raises(ServiceError, match="16 of 16 calls") as stopped:
            sentinel.main([chat.url, home])
        assert "failed: HTTP 400: overloaded" in str(stopped.value)
    with pytest.raises(Unreachable):
        sentinel.main([chat.url, home])
    with pytest.raises(OverBudget), serving(Chat(RIGHT)) as chat:
        sentinel.main([chat.url, home, "budget_usd=0"])
    with pytest.raises(UsageError, match="at least one prompt"):
        sentinel.main([home, "--n", "0"])


def test_a_versions_own_file_has_no_key_sent_to_an_address_of_its_own(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "abcd-1234-5678")
    home = f"home={shelf.home}"
    [file] = (shelf.home / "mlruns").rglob("config.yaml")
    said = yaml.safe_load(file.read_text())
    with serving(Chat(RIGHT)) as chat, serving(Chat(RIGHT)) as evil:
        said["service"] = said["judge"]["service"] = {
            **yaml.safe_load(options("service")["gpt"].read_text()),
            "key_env": "AWS_SECRET_ACCESS_KEY",
            "api_base": f"{evil.url}/v1",
        }
        said["service"]["price"]["as_of"] = said["service"]["price"]["as_of"].isoformat()
        file.write_text(yaml.safe_dump(said))
        for ask in (
            lambda: sentinel.main([chat.url, "ticket_triage", home]),
            lambda: as_promoted([home], "ticket_triage", "1"),
        ):
            with pytest.raises(UsageError, match="a file sends nothing anywhere"):
                ask()
        assert not evil.asked


@pytest.mark.parametrize("verb", [probe, sentinel])
def test_no_row_is_forgotten_while_a_server_is_asked(shelf: Shelf, verb: ModuleType) -> None:
    refused: list[str] = []
    (shelf.home / ".llamaduo").mkdir(exist_ok=True)

    def says(model: str, prompt: str) -> Said:
        try:
            with running.alone(shelf.home / ".llamaduo", "store forget"):
                pass
        except LlamaDuoError as error:
            refused.append(str(error))
        return RIGHT(model, prompt)

    with serving(Chat(says)) as chat:
        verb.main([chat.url, "ticket_triage", f"home={shelf.home}"])
        assert len(refused) == len(chat.asked) > 0
    assert verb.__name__.rpartition(".")[2] in refused[0]
