"""The judge's audit as a whole: who is flagged and how often, and what a flag stops."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

import pytest
from judges import (
    PARTIES,
    Judging,
    against_others,
    always_pleased,
    at_random,
    audited,
    audited_panel,
    by_length,
    for_its_family,
    honest,
    marked,
    text,
)

from llamaduo.audit import audit, unjudged
from llamaduo.audit.kinds import Kind, probe_id, taken_apart
from llamaduo.audit.limits import (
    ALPHA,
    AUTHOR,
    FEWEST,
    FLIPS,
    LEVEL,
    PERSON,
    SLOPE,
    SPREAD,
    TAU,
    TELLS,
)
from llamaduo.audit.parties import Parties, family, maker
from llamaduo.decision import decide
from llamaduo.findings import Assessment, Audit
from llamaduo.metrics import mean, share
from llamaduo.records import Answer, Judgement


@lru_cache
def flagged(
    judge: Judging, runs: int, run: Callable[[Judging, int], Audit] = audited
) -> tuple[float, dict[str, float]]:
    """Return the % of runs that are flagged, and by which finding."""
    each = [{f.name for f in run(judge, seed).findings if f.flagged} for seed in range(runs)]
    names: set[str] = set().union(*each)
    return (
        100 * sum(map(bool, each)) / runs,
        {name: 100 * sum(name in one for one in each) / runs for name in sorted(names)},
    )


@pytest.mark.parametrize(
    ("judge", "finding"),
    [
        (by_length, "slope on length, wrong answers"),
        (for_its_family, "preference for the reference's author"),
        (against_others, "preference for the reference's author"),
        (at_random, "good told from bad"),
        (always_pleased, "good told from bad"),
    ],
)
def test_a_judge_with_a_fault_is_flagged_for_it_in_95_of_100_runs(
    judge: Judging, finding: str
) -> None:
    share, by = flagged(judge, 100)
    assert share >= 95
    assert by[finding] >= 95


@pytest.mark.parametrize("strays", [8, 12])
def test_an_honest_judge_is_flagged_in_at_most_5_of_100_runs_by_all_findings_together(
    strays: float,
) -> None:
    share, by = flagged(honest(strays), 200)
    assert share <= 5, by


def test_an_honest_panel_beside_an_honest_person_is_flagged_in_at_most_5_of_100_runs() -> None:
    share, by = flagged(honest(12), 60, audited_panel)
    assert share <= 5, by


def test_the_page_on_the_audit_names_the_limits_that_are_used() -> None:
    page = (Path(__file__).parent.parent / "docs/audit.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| ([^|]+) \| ([^|]+) \|$", page, re.MULTILINE))
    limits = {
        "spread between repeats, similarity and precision": f"over {SPREAD:g} points",
        "good told from bad": f"under {TELLS:g} %",
        "slope on length, answers": f"{SLOPE:g} points or more per 100 words",
        "preference for the reference's author": f"{AUTHOR:g} points or more",
        "flips when swapped": f"{FLIPS:g} % or more",
        "agreement within the panel, similarity and precision": f"under {ALPHA:g}",
        "order beside a person, Kendall": f"under {TAU:.2f} with {PERSON} answers",
    }
    assert all(limit in rows[name] for name, limit in limits.items())
    assert f"All intervals are of {100 * LEVEL:g} %" in page
    assert f"fewer than {FEWEST}\nprompts" in page


@dataclass(frozen=True)
class Wanted:
    at_least: float = 90.0
    against: Literal["absolute", "service"] = "absolute"
    margin: float = 5.0
    latency_p95_ms: float | None = None


def all_covered() -> Assessment:
    return Assessment(
        name="round 2",
        prompts=100,
        coverage=share("coverage %", 100, 100),
        similarity=mean("similarity", [95.0] * 100),
        precision=mean("precision", [95.0] * 100),
        unjudged=0,
        answers=100,
        cut=0,
        checks={},
        steps=10,
    )


@pytest.mark.parametrize("judge", [by_length, for_its_family, at_random])
def test_a_flagged_run_does_not_switch(judge: Judging) -> None:
    assert decide(all_covered(), Wanted()).verdict == "switch"
    found = audited(judge, seed=1)
    decision = decide(all_covered(), Wanted(), audit=found)
    assert decision.verdict == "not enough data"
    assert decision.blocked == tuple(f"the judge: {flag}" for flag in found.flags)
    assert decision.blocked


def test_an_honest_run_switches_with_its_audit() -> None:
    found = audited(honest(8), seed=1)
    assert found.flags == ()
    assert decide(all_covered(), Wanted(), audit=found).verdict == "switch"


def test_every_finding_has_a_name_of_its_own_and_its_value_in_its_interval() -> None:
    found = audited_panel(honest(8), seed=3)
    assert found.judge == "claude-sonnet-5-5 + gpt-5.4-2026-03-05 + gemini-3.8-flash"
    assert len({finding.name for finding in found.findings}) == len(found.findings) == 18
    for finding in found.findings:
        assert finding.says
        if finding.name != "family":
            assert finding.value is not None
            assert finding.low is not None
            assert finding.high is not None
            assert finding.low <= finding.value <= finding.high
            assert "99 % interval" in finding.says


def test_what_cannot_be_measured_is_said_and_not_flagged() -> None:
    few = range(FEWEST - 1)
    rows = [marked(f"t{i}", 0, 100, candidate=text(f"a{i}", 9 * i)) for i in few]
    probes = [
        marked(probe_id(f"t{i}", kind), 100, 0, candidate=text("r", 99 - i))
        for i in few
        for kind in Kind
    ]
    for judgements, shown in ((rows, probes), (rows, []), ([], [])):
        found = audit(judgements, shown, parties=PARTIES, similarity=90, precision=80)
        assert found.flags == ()
        measured = [f for f in found.findings if f.name != "family"]
        assert [f.value for f in measured] == [None] * 9
        assert all("could not be measured" in f.says for f in measured)


def failed(row: str, *why: str, finish: Literal["stop", "none"] = "stop") -> Judgement:
    asked: Answer = marked(row).answer.model_copy(update={"finish": finish})
    return Judgement(answer=asked, score=None, why=why)


def test_calls_without_marks_are_counted_by_cause_and_answers_that_never_came_are_none() -> None:
    rows = [
        failed("a", "refused: policy", "unreadable: no JSON"),
        failed("b", "refused: the model's own", finish="none"),
    ]
    probes = [failed(probe_id("a", Kind.SAME), "unreadable: no JSON")]
    expected = {"unreadable: no JSON": 2, "refused: policy": 1}
    found = audit(rows, probes, parties=PARTIES, similarity=90, precision=80)
    assert found.unjudged == unjudged([*rows, *probes]) == expected
    assert list(found.unjudged) == list(expected)


def test_a_probe_is_told_by_its_id_whatever_the_prompts_own_id_is() -> None:
    for row in ("a", "a~same", "~", ""):
        for kind in Kind:
            assert taken_apart(probe_id(row, kind)) == (row, kind)
    with pytest.raises(ValueError, match="is not a valid Kind"):
        taken_apart("a")


@pytest.mark.parametrize(
    ("name", "made_by"),
    [
        ("claude-sonnet-5-5", "Anthropic"),
        ("gpt-4o-2024-05-13", "OpenAI"),
        ("gemini-3.8-flash", "Google"),
        ("gemma-2b", "Google"),
        ("llama-3-8b", "Meta"),
        ("mistral-7b-v0.3", "Mistral AI"),
        ("smollm2-135m", "Hugging Face"),
        ("DeepSeek-R1-Distill-Llama-8B", "DeepSeek"),
        ("house-70b", ""),
        ("metal", ""),
    ],
)
def test_a_maker_is_known_by_a_word_of_the_name(name: str, made_by: str) -> None:
    assert maker(name) == made_by


@pytest.mark.parametrize(
    ("judges", "said"),
    [
        (("gpt-4o",), ["gpt-4o judges what it has taught itself"]),
        (("gpt-5",), ["the judge gpt-5 and the teacher gpt-4o are both by OpenAI"]),
        (("gemini-3",), ["the judge gemini-3 and the local model gemma-2b are both by Google"]),
        (("claude",), ["no judge is of the house of the teacher or of the local model"]),
        (("house-70b",), ["who makes the judge house-70b is not known here"]),
        (("claude", "gpt-4o", "gemini-3"), ["taught itself", "both by Google"]),
    ],
)
def test_a_judge_of_one_house_with_teacher_or_local_model_is_said_and_not_flagged(
    judges: tuple[str, ...], said: list[str]
) -> None:
    found = family(Parties(judges=judges, teacher="gpt-4o", local="gemma-2b"))
    assert all(part in found.says for part in said)
    assert not found.flagged
