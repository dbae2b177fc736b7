"""Several hosts: what stands in their way is said, with what to set."""

from pathlib import Path

import pytest

from llamaduo import runs
from llamaduo.config import from_overrides
from llamaduo.errors import LlamaDuoError
from llamaduo.home import refuse_network_home
from llamaduo.hosts import not_for_many_hosts
from llamaduo.verbs import named

PAGE = Path(__file__).parent.parent / "docs/several-hosts.md"
MANY = ["experiments=demo_tiny", "ledger=postgresql"]


def in_the_way(*words: str) -> list[str]:
    """Return the keys that stand in the way."""
    return [line.partition(":")[0] for line in not_for_many_hosts(from_overrides(list(words)))]


def test_files_of_one_machine_stand_in_the_way_of_many_hosts() -> None:
    assert in_the_way("experiments=demo_tiny") == ["ledger", "tracker"]
    searching = ["search=qlora", "tracker=none"]
    assert in_the_way(*MANY, *searching) == ["search.storage"]
    assert in_the_way(*MANY, *searching, "search.storage=postgresql") == []


@pytest.mark.parametrize(
    ("uri", "found"),
    [
        ("https://mlflow.example.com", []),
        ("http://10.0.0.1:5000", []),
        ("postgresql://me@host/mlflow", []),
        ("postgresql+psycopg2://me@host/mlflow", []),
        ("sqlite:////shared/mlflow.db", ["tracker"]),
        ("/shared/mlruns", ["tracker"]),
    ],
)
def test_a_tracker_with_a_servers_address_does_not(uri: str, found: list[str]) -> None:
    assert in_the_way(*MANY, f"tracker.uri='{uri}'") == found


def mounted(monkeypatch: pytest.MonkeyPatch, line: str) -> None:
    read = Path.read_text

    def reading(path: Path, *args: str, **given: str) -> str:
        return f"{line} rw\n" if str(path) == "/proc/mounts" else read(path, *args, **given)

    monkeypatch.setattr(Path, "read_text", reading)


def test_a_home_that_hosts_share_is_refused_with_all_that_there_is_to_set(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    mounted(monkeypatch, "server:/x /shared nfs4")
    exp = from_overrides(["experiments=demo_tiny", "home=/shared/project"])
    with pytest.raises(LlamaDuoError) as refused:
        refuse_network_home(Path(exp.home), not_for_many_hosts(exp))
    said = str(refused.value)
    assert "home /shared/project is on nfs4" in said
    for fix in ("home=DIR", "ledger=postgresql", "LLAMADUO_LEDGER_URL", "tracker.uri=https://"):
        assert fix in said
    assert "search.storage" not in said
    assert f"llamaduo: {said}\n" in PAGE.read_text(encoding="utf-8")
    exp = from_overrides([*MANY, "home=/shared/project", "tracker=none"])
    refuse_network_home(Path(exp.home), not_for_many_hosts(exp))


def test_a_run_is_the_same_wherever_its_calls_are_kept(tmp_path: Path) -> None:
    exp = from_overrides(["experiments=demo_tiny", f"home={tmp_path}"])
    place = tmp_path / ".llamaduo" / "runs" / exp.fingerprint()
    place.mkdir(parents=True)
    runs.remember(place, exp, None)
    words = [place.name[:8], f"home={tmp_path}"]
    assert named.run(words, "report").exp.ledger == "file"
    found = named.run([*words, "ledger=postgresql"], "report")
    assert (found.exp.ledger, found.place) == ("postgresql", place)
