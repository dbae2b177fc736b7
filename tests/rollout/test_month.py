"""What a month on the service costs, and the command that takes it from there."""

import shlex
from datetime import date
from pathlib import Path

import pytest

from llamaduo.config import from_overrides
from llamaduo.cost import project
from llamaduo.rollout.month import costing, month_of
from llamaduo.rollout.state import Asked
from llamaduo.verbs.pairs import month_for
from llamaduo.workload import Workload

ASKED = Asked(
    name="gpt",
    model="openai/gpt-x",
    usd_per_million=(2, 8),
    as_of=date(2026, 11, 1),
    source="our contract, page 3",
    timeout=60,
)
RANGED = ("workload=ranges", "workload.days_per_month=22", "workload.tuning_usd=[100,900]")


def workload(*words: str) -> Workload:
    return from_overrides(list(words)).workload


def test_a_month_is_the_workload_s_tokens_at_the_service_s_own_price() -> None:
    light = workload()
    found = month_of(light, "as typed", light, ASKED)
    assert found.usd == pytest.approx(300 * 2 + 30 * 8)
    assert "the light workload as typed (10,000,000 tokens in, 1,000,000 out a day)" in found.said
    assert "gpt's price in state.json ($2.00 in, $8.00 out per million tokens)" in found.said


@pytest.mark.parametrize("words", [(), ("workload.usd_per_kwh=0.4",), RANGED])
def test_the_command_to_type_is_of_the_same_workload_and_price(words: tuple[str, ...]) -> None:
    mine = workload(*words)
    month = month_of(mine, "of version 3's run", workload(f"workload={mine.name}"), ASKED)
    _, cost, *typed = shlex.split(costing(0.25, month))
    again = workload(*typed)
    assert (cost, again.escalated_share) == ("cost", 0.25)
    assert (again.price.source, again.price.as_of) == (ASKED.source, ASKED.as_of)
    assert again.service_name == "gpt"
    own = {"price", "service_name", "escalated_share"}
    assert again.model_dump(exclude=own) == mine.model_dump(exclude=own)
    assert project(again).locals[0].escalated_usd == pytest.approx(0.25 * month.usd)


@pytest.mark.parametrize("none", [None, 0.0])
def test_where_nothing_stays_there_is_nothing_to_type(none: float | None) -> None:
    assert costing(none, month_of(workload(), "", workload(), ASKED)) == ""


@pytest.mark.parametrize(
    ("words", "version", "whose"),
    [
        (["workload=heavy"], "3", "the heavy workload as typed"),
        ([], "3", "the light workload of version 3's run"),
        ([], "", "the light workload as composed, since none was typed"),
    ],
)
def test_whose_workload_it_is_is_said(
    words: list[str], version: str, whose: str, tmp_path: Path
) -> None:
    exp = from_overrides([*words, f"home={tmp_path}"])
    assert month_for(words, exp, version, ASKED).said.startswith(whose)


def test_a_workload_of_no_file_is_written_out_from_the_one_that_is_taken_else(
    tmp_path: Path,
) -> None:
    exp = from_overrides(["workload.name=ours", f"home={tmp_path}"])
    words = month_for(["workload.name=ours"], exp, "", ASKED).words
    assert words[:2] == ("workload=light", 'workload.name="ours"')
