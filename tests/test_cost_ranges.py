"""Inputs given as ranges: intervals, what the saving hangs on, and that both stand still."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llamaduo.cost import project, table
from llamaduo.workload import Workload

PRICE: dict[str, Any] = {"input": 5.0, "output": 15.0, "as_of": "2025-01-31", "source": "a list"}


def ours(**changes: Any) -> Workload:
    fields: dict[str, Any] = {
        "name": "ours",
        "local_name": "Gemma 2B",
        "service_name": "a service",
        "input_tokens_per_day": 10_000_000,
        "output_tokens_per_day": 1_000_000,
        "price": PRICE,
        "tuning_usd": 800,
        "servers": 1,
        "server_usd": 2539,
        "watts_per_server": 229,
        "usd_per_kwh": 0.18195,
    }
    return Workload.model_validate(fields | changes)


def around(value: float, part: float) -> list[float]:
    return [value * (1 - part), value * (1 + part)]


def test_without_ranges_the_break_even_is_said_to_be_a_point() -> None:
    projection = project(ours())
    assert projection.pairs[0].break_even is None and projection.tornado == ()
    said = table(ours(), projection)
    assert "a point and no interval: no input is given as a range, such as usd_per_kwh" in said
    assert "triangular" not in said


@settings(max_examples=25, deadline=None)
@given(st.floats(0.01, 0.5), st.floats(0, 0.5), st.floats(0, 0.5))
def test_an_interval_of_symmetric_ranges_holds_the_point(
    tokens: float, price: float, power: float
) -> None:
    workload = ours(
        input_tokens_per_day=around(10_000_000, tokens),
        price=PRICE | {"output": around(15, price)},
        usd_per_kwh=around(0.18195, power),
    )
    pair, certain = project(workload).pairs[0], project(ours()).pairs[0]
    assert pair.break_even_month == pytest.approx(certain.break_even_month)
    spread, saved = pair.break_even, pair.saved
    assert spread and saved and pair.break_even_month
    assert spread.low is not None and spread.high is not None
    assert saved.low is not None and saved.high is not None
    assert spread.low <= pair.break_even_month <= spread.high
    assert saved.low <= pair.saved_usd <= saved.high
    assert spread.never == 0


def test_the_interval_is_that_of_the_distribution() -> None:
    """With one range the break-even is a known function of a triangular number."""
    workload = ours(server_usd=[1000, 5000])
    spread = project(workload).pairs[0].break_even
    month = 1950 - project(workload).locals[0].electricity_usd
    low = 1000 + (0.05 * 4000 * 2000) ** 0.5  # the triangle's 5 % point
    high = 5000 - (0.05 * 4000 * 2000) ** 0.5
    assert spread is not None
    assert spread.low == pytest.approx((800 + low) / month, rel=0.02)
    assert spread.high == pytest.approx((800 + high) / month, rel=0.02)


def test_the_same_workload_gives_the_same_draws_and_a_further_range_leaves_them() -> None:
    one = project(ours(server_usd=[1000, 5000]))
    assert project(ours(server_usd=[1000, 5000])) == one
    still = project(ours(server_usd=[1000, 5000], usd_per_kwh=[0.18195, 0.18195]))
    assert still.pairs == one.pairs


def test_draws_that_do_not_break_even_within_the_months_are_counted() -> None:
    workload = ours(server_usd=[0, 44_480])  # 12 months of saving pay for half of that, about
    pair = project(workload).pairs[0]
    assert pair.break_even is not None
    assert pair.break_even.never == pytest.approx(0.5, abs=0.02)
    assert pair.break_even.high is None and pair.break_even.low is not None
    said = table(workload, project(workload))
    assert "months to later than month 12" in said
    assert f"not within 12 months: in {100 * pair.break_even.never:.4g} % of them" in said


def test_the_tornado_has_each_range_once_the_widest_swing_first() -> None:
    workload = ours(
        input_tokens_per_day=[5_000_000, 15_000_000],
        usd_per_kwh=[0.1, 0.3],
        price=PRICE | {"cached_input": [1.0, 4.0]},
        tuning_usd={"low": 400, "likely": 800, "high": 2000},
    )
    projection = project(workload)
    swings = {swing.key: swing for swing in projection.tornado}
    assert list(swings) == [
        "input_tokens_per_day",
        "tuning_usd",
        "usd_per_kwh",
        "price.cached_input",
    ]
    tokens = swings["input_tokens_per_day"]
    saved = projection.pairs[0].saved_usd
    assert tokens.saved_at_low == pytest.approx(saved - 12 * 750)
    assert tokens.saved_at_high == pytest.approx(saved + 12 * 750)
    tuning = swings["tuning_usd"]
    assert tuning.saved_at_low - tuning.saved_at_high == pytest.approx(1600)
    nothing = swings["price.cached_input"]  # no token is cached
    assert nothing.saved_at_low == nothing.saved_at_high


def test_an_end_of_the_tornado_is_the_workload_with_that_number() -> None:
    measured = {
        "output_tokens_per_s": [20, 200],
        "prompt_tokens_per_s": 1000,
        "sequences": 10,
        "cache_tokens": 10_000,
        "context": 1000,
        "peak_to_mean": 4,
    }
    ranged = project(ours(servers="auto", throughput=measured, retune_every_months=[3, 9]))
    swings = {swing.key: swing for swing in ranged.tornado}
    for speed, saved in (
        (20, swings["throughput.output_tokens_per_s"].saved_at_low),
        (200, swings["throughput.output_tokens_per_s"].saved_at_high),
    ):
        fixed = ours(
            servers="auto",
            throughput=measured | {"output_tokens_per_s": speed},
            retune_every_months=6,
        )
        assert project(fixed).pairs[0].saved_usd == pytest.approx(saved)
    often = ours(
        servers="auto",
        throughput=measured | {"output_tokens_per_s": 110},
        retune_every_months=3,
    )
    assert swings["retune_every_months"].saved_at_low == pytest.approx(
        project(often).pairs[0].saved_usd
    )


def test_a_range_of_one_side_gives_an_interval_to_its_pairs_alone() -> None:
    dearer = {"name": "another", "price": PRICE | {"input": [4, 6]}}
    projection = project(ours(services=[dearer]))
    assert [pair.break_even is not None for pair in projection.pairs] == [False, True]
    assert projection.tornado == ()  # it shows the first pair
    assert "triangular" in table(ours(services=[dearer]), projection)


def test_a_range_that_models_share_is_drawn_once_for_both() -> None:
    """What differs between the two is then certain, and their savings differ by just that."""
    workload = ours(input_tokens_per_day=[5e6, 15e6], models=[{"name": "b", "tuning_usd": 1800}])
    one, other = (pair.saved for pair in project(workload).pairs)
    assert one and other and one.low is not None and other.low is not None
    assert one.low - other.low == pytest.approx(1000)


def test_what_the_migration_cost_moves_the_interval_and_the_tornado() -> None:
    workload = ours(server_usd=[1000, 5000])
    without, bearing = project(workload), project(workload, migration_usd=500.0)
    one, other = without.pairs[0].saved, bearing.pairs[0].saved
    assert one and other and one.high is not None and other.high is not None
    assert one.high - other.high == pytest.approx(500)
    [before], [after] = without.tornado, bearing.tornado
    assert before.saved_at_low - after.saved_at_low == pytest.approx(500)


def test_assumptions_print_a_range_by_its_ends_and_likely_value() -> None:
    workload = ours(usd_per_kwh={"low": 0.1, "likely": 0.12, "high": 0.4})
    said = " ".join(table(workload, project(workload)).split())
    assert "$0.10 to $0.40 (likely $0.12) a kWh" in said
    assert "totals at likely values" in said
