"""The knee of a measurement, what of it counts for whom, and the files it is kept in."""

from pathlib import Path

import numpy as np
import pytest
from measurements import at, kept_in, load_of

from llamaduo.errors import UsageError
from llamaduo.load.about import tags
from llamaduo.load.text import costing, knee, table
from llamaduo.loads import FOLDER, newest, read
from llamaduo.plots import load_by_rate, save


def test_the_knee_is_the_highest_rate_within_the_objective() -> None:
    load = load_of(at(1, 100), at(2, 700), at(4, 900), objective_ms=800)
    assert load.knee == load.rates[1]
    assert knee(load).startswith(
        "2 requests/s (p95 within 800 ms, under 1 % of requests failed, and answers keep pace)"
    )


def test_without_an_objective_twice_the_p95_of_the_lowest_rate_is_kept_up_with() -> None:
    load = load_of(at(1, 100), at(2, 200), at(4, 201))
    assert (load.limit_ms, load.knee) == (200, load.rates[1])
    assert "2 times that of the lowest rate" in knee(load)


def test_a_rate_above_one_that_is_not_kept_up_with_is_no_knee() -> None:
    load = load_of(at(1, 100), at(2, 900), at(4, 150))
    assert load.knee == load.rates[0]


@pytest.mark.parametrize(("answered", "rate"), [(98, 1), (99, 1), (100, 2)])
def test_a_rate_at_which_one_in_a_hundred_fails_is_not_kept_up_with(
    answered: int, rate: float
) -> None:
    load = load_of(at(1, 100), at(2, 100, answered=answered))
    assert load.knee is not None and load.knee.rate == rate


@pytest.mark.parametrize("objective", [None, 5000.0])
def test_a_lowest_rate_that_is_too_much_already_is_not_kept_up_with(
    objective: float | None,
) -> None:
    load = load_of(at(4, 4000, later=0.6), at(8, 4900, later=0.8), objective_ms=objective)
    assert load.knee is None and load.beyond
    assert "none: not even 4 requests/s" in knee(load)
    assert sum("not kept up with: answers come ever later" in line for line in table(load)) == 2
    steady = load_of(at(4, 4000, later=0.1), at(8, 9000), objective_ms=objective)
    assert steady.knee == steady.rates[0]


def test_one_rate_without_an_objective_has_no_knee_and_no_tag_of_one() -> None:
    load = load_of(at(4, 4000))
    assert (load.knee, load.limit_ms) == (None, None)
    assert "one rate without an objective says nothing" in knee(load)
    assert not any("not kept up with" in line for line in table(load))
    assert any("ever later" in line for line in table(load_of(at(4, 4000, later=1))))
    assert tags(load)["llamaduo.load_knee"] is None
    assert tags(load)["llamaduo.load_rate"] == "4"
    assert tags(load_of(at(4, 4000), objective_ms=9))["llamaduo.load_knee"] == "none"
    assert tags(load_of(at(4, 4000), objective_ms=4000))["llamaduo.load_knee"] == "4"


def test_tokens_a_second_leave_out_the_wait_after_the_last_request_of_a_rate_in_pace() -> None:
    # 100 requests at 10 a second, and the last answer is there after 30 s.
    steady, busy = at(10, 100, seconds=30), at(10, 100, seconds=30, later=2)
    assert (steady.output_tokens_per_s, steady.prompt_tokens_per_s) == (100, 400)
    assert busy.output_tokens_per_s == pytest.approx(1000 / 30)
    assert busy.prompt_tokens_per_s == pytest.approx(4000 / 30)


def test_where_every_rate_is_kept_up_with_the_knee_is_said_to_lie_above() -> None:
    load = load_of(at(1, 100), at(2, 110))
    assert not load.beyond
    assert "the highest tried, so the knee lies at it or above" in knee(load)


def test_where_none_is_kept_up_with_there_is_no_knee() -> None:
    assert load_of(at(1, 100), objective_ms=50).knee is None
    silent = load_of(at(1, None, answered=0, failed={"HTTP 500": 100}))
    assert (silent.limit_ms, silent.knee) == (None, None)
    assert "nothing was answered" in knee(silent)
    assert any("failed at 1 requests/s: 100 HTTP 500" in line for line in table(silent))


def test_the_rate_for_a_load_is_the_next_one_measured() -> None:
    load = load_of()
    one, ten, twenty = load.rates
    found = [load.at_rate(wanted) for wanted in (None, 0.1, 1, 1.1, 15, 20, 20.1)]
    assert found == [one, one, one, ten, twenty, twenty, None]


def test_the_table_has_every_rate_and_says_what_is_weak() -> None:
    few = {"n": 20, "p50": 1.0, "p95": 100.0, "p99": 100.0}
    load = load_of(at(1, 100, whole=few, lag_p95_ms=11), at(4, 100, sent=300, answered=300))
    said = "\n".join(table(load))
    assert "at 1 requests/s rests on fewer than 59 answers" in said
    assert "at 1 requests/s the client itself sent late" in said
    assert "sent the 212 prompts more than once" in said
    assert "\n         4        4   300       300" in said
    strong = "\n".join(table(load_of(at(1, 100))))
    assert "look:" not in strong
    assert "look: the server counts no tokens" in "\n".join(
        table(load_of(at(1, 100, counted_by="pieces")))
    )


def test_the_command_that_costs_quotes_what_a_shell_would_part(tmp_path: Path) -> None:
    said = costing(load_of(), tmp_path / "a b.json")
    assert f"'workload.throughput.measured={tmp_path}/a b.json'" in said


def test_a_measurement_is_what_it_was_after_it_is_read_again(tmp_path: Path) -> None:
    assert read(kept_in(tmp_path, load_of())) == load_of()


def test_the_newest_of_the_same_adapter_counts(tmp_path: Path) -> None:
    for day, adapter in ((19, "a" * 16), (21, "a" * 16), (23, "b" * 16)):
        load = load_of(adapter=adapter, at=f"2026-11-{day}T10:00:00+00:00")
        kept_in(tmp_path, load, f"z{30 - day}")
    found = newest(tmp_path / FOLDER, "a" * 16)
    assert found is not None and found.at.startswith("2026-11-21")
    assert newest(tmp_path / FOLDER, "c" * 16) is None
    assert newest(tmp_path / "nothing", "a" * 16) is None


def test_a_file_that_is_no_measurement_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text("{}")
    with pytest.raises(UsageError, match=r"x\.json is no file of `llamaduo load`"):
        newest(tmp_path, "a" * 16)


def test_the_picture_has_p95_tokens_and_the_knee(tmp_path: Path) -> None:
    figure = load_by_rate(load_of(objective_ms=800))
    left, right = figure.axes
    drawn = {str(line.get_label()): line for line in left.lines}
    assert np.allclose(drawn["p95 of a whole answer, s"].get_ydata(), [0.1, 0.15, 0.9])
    assert "p95 to keep: 0.8 s" in drawn
    assert np.allclose(right.lines[0].get_ydata(), [10, 100, 200])
    assert [text.get_text() for text in left.texts] == [" knee: 10/s"]
    save(figure, tmp_path / "load.png")
    assert (tmp_path / "load.png").stat().st_size > 10_000
    nothing = load_by_rate(load_of(at(1, None, answered=0)))
    assert not nothing.axes[0].texts
