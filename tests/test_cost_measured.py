"""Money by what a load test measured: servers, dollars per million tokens, provenance."""

from pathlib import Path
from typing import Any

import pytest
from measurements import at, kept_in, load_of
from pydantic import ValidationError
from workloads import GIVEN, MEASURED, ours

from llamaduo.config import from_overrides
from llamaduo.cost import project, table
from llamaduo.cost.million import lines, per_million
from llamaduo.cost.rate import mean_rate
from llamaduo.errors import ConfigError
from llamaduo.loads import Load
from llamaduo.workload import Workload


def by(path: Path, peak: float = 1, **changes: Any) -> Workload:
    """Return the workload whose servers follow from the measurement in `path`."""
    return ours(servers="auto", throughput={"measured": path, "peak_to_mean": peak}, **changes)


def measured(tmp_path: Path, load: Load | None = None) -> Path:
    """At its knee it reads 400 tokens a second and writes 100."""
    return kept_in(tmp_path, load or load_of())


@pytest.mark.parametrize(
    ("read", "written", "peak", "servers"),
    [
        (400, 100, 1, 1),
        (400, 100, 2.5, 3),
        (1200, 100, 1, 3),  # reads three times what one reads
        (10, 500, 1, 5),
        (401, 100, 1, 2),
    ],
)
def test_servers_are_for_the_worse_of_reading_and_writing(
    tmp_path: Path, read: float, written: float, peak: float, servers: int
) -> None:
    day = 720 * 3600 / 30  # seconds of a day's share of 720 hours
    workload = by(
        measured(tmp_path),
        peak,
        input_tokens_per_day=read * day,
        output_tokens_per_day=written * day,
    )
    assert project(workload).locals[0].servers == (servers, servers)


def test_a_million_tokens_cost_electricity_purchase_or_rent_over_what_was_written(
    tmp_path: Path,
) -> None:
    workload = by(measured(tmp_path), months=[1, 12])
    millions = 100 * 3600 * 720 / 1e6  # 259.2 a month
    found = per_million(workload)
    assert found is not None
    assert found.read == 4
    assert found.running_usd == pytest.approx(0.229 * 720 * 0.18195 / millions)
    assert found.bought_usd == pytest.approx(2539 / 12 / millions)
    assert found.services == (("a service", 15 + 4 * 5),)
    rented = by(
        measured(tmp_path),
        server_usd=None,
        watts_per_server=None,
        usd_per_kwh=None,
        usd_per_server_hour=0.8,
    )
    paid = per_million(rented)
    assert paid is not None
    assert paid.running_usd == pytest.approx(0.8 / 0.36)
    assert paid.bought_usd == 0


def test_dollars_per_million_stand_beside_each_service_in_the_table(tmp_path: Path) -> None:
    mini = {"name": "a small one", "price": GIVEN["price"] | {"input": 0.15, "output": 0.6}}
    workload = by(measured(tmp_path), services=[mini])
    said = table(workload, project(workload))
    assert (
        "a million tokens written, 4 read for each:\n"
        "  a server of one's own, busy as measured 720 hours a month: $0.12 of electricity and "
        "$0.82 of its price, spread over 12 months\n"
        "  a service: $35.00\n"
        "  a small one: $1.20\n"
    ) in said
    assert lines(ours()) == []


def test_the_assumptions_say_who_measured_what_when_and_with_how_many(tmp_path: Path) -> None:
    workload = by(measured(tmp_path), 3)
    said = " ".join(table(workload, project(workload)).split())
    assert "100 tokens/s written and 400 read by one server, at 10 requests/s" in said
    assert "p95 150 ms, n = 100 answers" in said
    assert "load test of triage version 2 at http://gpu:8000 (vllm), 2026-11-20" in said
    assert "by guidellm 0.8.1" in said
    assert "peak 3 times the mean" in said
    assert "the workload reads 10 tokens for each it writes, and 4 were read" in said
    near = by(measured(tmp_path), output_tokens_per_day=2_500_000)
    assert "were read in the measurement" not in table(near, project(near))


def test_a_knee_that_was_not_passed_is_a_lower_bound(tmp_path: Path) -> None:
    workload = by(measured(tmp_path, load_of(at(1, 100), objective_ms=800)))
    assert "no higher rate was tried" in table(workload, project(workload))


@pytest.mark.parametrize(
    ("throughput", "words"),
    [
        ({"peak_to_mean": 1}, "needs output_tokens_per_s, prompt_tokens_per_s, sequences"),
        (MEASURED | {"context": None}, "needs context; or measured, a file of"),
        (MEASURED | {"measured": "{path}"}, "set output_tokens_per_s, .* to null, or measured"),
        ({"measured": "nowhere.json", "peak_to_mean": 1}, "there is no file"),
        ({"measured": "{path}"}, "peak_to_mean"),
    ],
)
def test_speeds_are_given_or_measured_and_not_both(
    tmp_path: Path, throughput: dict[str, Any], words: str
) -> None:
    path = str(measured(tmp_path))
    named = {k: path if v == "{path}" else v for k, v in throughput.items()}
    with pytest.raises(ValidationError, match=words):
        ours(servers="auto", throughput=named)


@pytest.mark.parametrize(
    ("load", "words"),
    [
        (load_of(at(1, 100), objective_ms=50), "has no rate that is known to be kept up with"),
        (load_of(at(1, 100, prompt_tokens=0), objective_ms=800), "has no count of tokens"),
    ],
)
def test_a_measurement_with_nothing_to_go_by_is_said_before_a_run(
    tmp_path: Path, load: Load, words: str
) -> None:
    [fault] = by(measured(tmp_path, load)).faults()
    assert words in fault
    (tmp_path / "loads" / "one.json").write_text("{}")
    [fault] = by(tmp_path / "loads" / "one.json").faults()
    assert "is no file of `llamaduo load`" in fault


def test_a_measurement_is_chosen_on_the_command_line(tmp_path: Path) -> None:
    path = measured(tmp_path)
    words = ["workload=light", "workload.servers=auto", f"workload.throughput.measured={path}"]
    workload = from_overrides([*words, "workload.throughput.peak_to_mean=2"]).workload
    assert workload.throughput is not None and workload.throughput.load() == load_of()
    with pytest.raises(ConfigError, match="peak_to_mean"):
        from_overrides(words)


def test_the_rate_that_one_server_bears_is_known_by_a_measurement_of_the_same_model(
    tmp_path: Path,
) -> None:
    day = 720 * 3600 / 30
    workload = by(measured(tmp_path), input_tokens_per_day=4 * day, output_tokens_per_day=300 * day)
    # 300 tokens a second on 3 servers, each answer of 10.
    assert mean_rate(workload, load_of()) == pytest.approx(10)
    assert mean_rate(workload, load_of(adapter="another")) is None
    assert mean_rate(ours(), load_of()) is None
