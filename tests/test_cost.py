"""The cost arithmetic: the paper's sums, and what holds for any workload."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import ValidationError

from llamaduo.cost import against_print, project, table
from llamaduo.workload import Workload
from llamaduo.workload.ranges import likely

OPTIONS = Path(__file__).parents[1] / "conf" / "workload"


def fields(name: str) -> dict[str, Any]:
    written: dict[str, Any] = yaml.safe_load((OPTIONS / f"{name}.yaml").read_text())
    assert written.pop("_target_") == "llamaduo.workload.Workload"
    return written


def paper(name: str, **changes: Any) -> Workload:
    return Workload.model_validate(fields(name) | changes)


def ours(**changes: Any) -> Workload:
    """A workload that the paper says nothing about."""
    return paper("heavy", printed=None, claims=None, **changes)


def price(dollars_in: float, dollars_out: float) -> dict[str, Any]:
    return {"input": dollars_in, "output": dollars_out, "as_of": "2025-01-31", "source": "a list"}


tokens = st.integers(0, 10**10)
dollars = st.integers(0, 10**6).map(lambda cents: cents / 100)
workloads = st.builds(
    ours,
    input_tokens_per_day=tokens,
    output_tokens_per_day=tokens,
    price=st.builds(price, dollars, dollars),
    tuning_usd=st.floats(0, 1e6),
    servers=st.integers(1, 100),
    server_usd=st.floats(0, 1e6),
    watts_per_server=st.floats(0, 1e5),
    hours_per_month=st.floats(0, 744),
    usd_per_kwh=st.floats(0, 10),
    months=st.sets(st.integers(1, 120), min_size=1).map(sorted),
)


@pytest.mark.parametrize(
    ("name", "month", "local", "service"),
    [
        ("light", 2, 3_399, 3_900),
        ("light", 12, 3_699, 23_400),
        ("heavy", 2, 21_592, 19_500),
        ("heavy", 12, 23_992, 117_000),
    ],
)
def test_the_papers_totals_come_out_of_its_assumptions(
    name: str, month: int, local: int, service: int
) -> None:
    projection = project(paper(name))
    at = projection.months.index(month)
    assert round(projection.local_usd[at]) == local
    assert round(projection.service_usd[at]) == service


@pytest.mark.parametrize(("name", "months"), [("light", 1.74), ("heavy", 2.22)])
def test_the_papers_workloads_break_even_where_its_assumptions_say(
    name: str, months: float
) -> None:
    exact = project(paper(name)).break_even_month
    assert exact is not None and round(exact, 2) == months
    assert f"break-even: {months} months" in table(paper(name), project(paper(name)))


@pytest.mark.parametrize(("name", "kwh", "dollars"), [("light", 165, 30.0), ("heavy", 1319, 240.0)])
def test_the_papers_electricity_is_watts_times_hours_times_tariff(
    name: str, kwh: int, dollars: float
) -> None:
    line = project(paper(name)).locals[0]
    assert round(line.kwh) == kwh
    assert round(line.electricity_usd, 2) == dollars


def test_the_one_sum_of_the_light_table_that_is_wrong_is_named() -> None:
    assert against_print(paper("light")) == (
        "Gemma 7B, 2 months: the table prints $3,369; the assumptions add up to $3,399",
    )


def test_the_two_claims_of_the_heavy_text_that_its_table_denies_are_named() -> None:
    assert against_print(paper("heavy")) == (
        "GPT-4o, a day: the text has 10M output tokens for $325; they cost $400, and 5M cost $325",
        "2 months: the text has GPT-4o cost more by then; it is $19,500 against $21,592",
    )


def test_a_claim_that_holds_is_not_named() -> None:
    claims = {
        "output_tokens_per_day": 5_000_000,
        "service_usd_per_day": 325,
        "cheaper_after_months": 3,
    }
    assert against_print(paper("heavy", claims=claims)) == ()


@pytest.mark.parametrize("name", ["light", "heavy"])
@pytest.mark.parametrize(
    "changes",
    [
        {"price": price(2.5, 10)},
        {"input_tokens_per_day": 7_000_000},
        {"usd_per_kwh": 0.30},
        {"server_usd": 3000},
        {"tuning_usd": 0},
        {"days_per_month": 22},
        {"printed": None},
    ],
)
def test_assumptions_other_than_the_papers_are_not_held_against_its_print(
    name: str, changes: dict[str, Any]
) -> None:
    workload = paper(name, **changes)
    assert against_print(workload) == ()
    assert "Where the paper" not in table(workload, project(workload))


def test_what_no_dollar_hangs_on_leaves_the_misprints_named() -> None:
    assert against_print(paper("light", months=[1, 24], batch_share=0.5)) == against_print(
        paper("light")
    )


def test_a_workload_of_ones_own_is_not_held_against_the_paper() -> None:
    assert against_print(ours()) == ()
    assert "the paper" not in table(ours(), project(ours()))


def test_the_table_names_every_assumption_with_its_unit() -> None:
    text = table(paper("light"), project(paper("light")))
    for words in (
        "10,000,000 in, 1,000,000 out a day; 30 days a month",
        "$5.00 in, $15.00 out per million tokens",
        "as of 2024-08-24, from LlamaDuo, Table 2 (arXiv 2408.13467)",
        "$800, once",
        "1 server at $2,539, once",
        "229 W a server, 720 hours a month, $0.18195 a kWh",
    ):
        assert words in text


def test_the_table_has_one_aligned_row_for_each_month_asked_for() -> None:
    workload = paper("light", months=[1, 6, 24])
    rows = [line for line in table(workload, project(workload)).splitlines() if "total" in line]
    assert [row.split()[1:] for row in rows] == [
        ["1", "month", "$3,369", "$1,950", "-$1,419"],
        ["6", "months", "$3,519", "$11,700", "$8,181"],
        ["24", "months", "$4,059", "$46,800", "$42,741"],
    ]
    assert len({len(row) for row in rows}) == 1


def test_a_local_model_whose_electricity_costs_more_than_the_service_never_pays() -> None:
    workload = ours(price=price(0.01, 0.01))
    projection = project(workload)
    assert projection.break_even_month is None
    assert "break-even: never; a month of electricity is $240, of GPT-4o $16" in table(
        workload, projection
    )


@given(workloads)
def test_what_has_been_spent_never_shrinks_with_the_months(workload: Workload) -> None:
    projection = project(workload)
    assert list(projection.local_usd) == sorted(projection.local_usd)
    assert list(projection.service_usd) == sorted(projection.service_usd)
    assert projection.local_usd[0] >= projection.locals[0].once_usd


@given(workloads, tokens, tokens)
def test_more_tokens_never_make_the_service_cheaper(
    workload: Workload, more_in: int, more_out: int
) -> None:
    busier = workload.model_copy(
        update={
            "input_tokens_per_day": likely(workload.input_tokens_per_day) + more_in,
            "output_tokens_per_day": likely(workload.output_tokens_per_day) + more_out,
        }
    )
    before, after = project(workload), project(busier)
    assert after.local_usd == before.local_usd
    assert all(b <= a for b, a in zip(before.service_usd, after.service_usd, strict=True))


@given(workloads, dollars, dollars)
def test_a_dearer_service_is_broken_even_with_no_later(
    workload: Workload, more_in: float, more_out: float
) -> None:
    asked = workload.price.rates()
    dearer = workload.price.model_copy(
        update={
            "input": likely(asked.input) + more_in,
            "output": likely(asked.output) + more_out,
        }
    )
    before, after = project(workload), project(workload.model_copy(update={"price": dearer}))
    assert all(b <= a for b, a in zip(before.service_usd, after.service_usd, strict=True))
    if before.break_even_month is not None:
        assert after.break_even_month is not None
        assert after.break_even_month <= before.break_even_month


@given(workloads, st.floats(0, 10))
def test_dearer_electricity_is_never_paid_back_sooner(workload: Workload, more: float) -> None:
    dearer = workload.model_copy(update={"usd_per_kwh": likely(workload.usd_per_kwh or 0.0) + more})
    before, after = project(workload), project(dearer)
    assert all(b <= a for b, a in zip(before.local_usd, after.local_usd, strict=True))
    if after.break_even_month is not None:
        assert before.break_even_month is not None
        assert before.break_even_month <= after.break_even_month


@given(workloads)
def test_the_break_even_is_where_the_lines_cross(workload: Workload) -> None:
    projection = project(workload)
    crossing = projection.break_even_month
    assume(crossing is not None)
    assert crossing is not None
    line, service = projection.locals[0], projection.services[0]
    local = line.once_usd + crossing * line.electricity_usd
    assert crossing * service.tokens_usd == pytest.approx(local, rel=1e-9, abs=1e-9)
    for month, ours_so_far, theirs in zip(
        projection.months, projection.local_usd, projection.service_usd, strict=True
    ):
        slack = 1e-9 * (ours_so_far + theirs)
        assert theirs <= ours_so_far + slack if month < crossing else theirs >= ours_so_far - slack


@given(workloads)
def test_every_table_fits_its_own_columns_and_ends_without_blanks(workload: Workload) -> None:
    lines = table(workload, project(workload)).splitlines()
    assert lines == [line.rstrip() for line in lines]
    assert sum(line.startswith("total, ") for line in lines) == len(workload.months)


@pytest.mark.parametrize("months", [[], [0, 1], [2, 1], [1, 1]])
def test_months_that_do_not_rise_from_one_are_refused(months: list[int]) -> None:
    with pytest.raises(ValidationError, match="months are whole, rising and from 1 on"):
        ours(months=months)


@pytest.mark.parametrize("usd", [-1.0, float("inf"), float("nan")])
def test_dollars_that_cannot_be_are_refused(usd: float) -> None:
    with pytest.raises(ValidationError):
        ours(server_usd=usd)
