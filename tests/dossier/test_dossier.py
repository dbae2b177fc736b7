"""The dossier as a file: what it may not do, who can read it, and what it does not touch."""

import base64
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from conftest import Finished
from tracing import Dossier, dossier_of, faults, read

import llamaduo
from llamaduo.component import file_sha256
from llamaduo.dossier import printing
from llamaduo.dossier.evidence import Evidence, differing, gather, with_search, worst
from llamaduo.dossier.forms import LONGEST
from llamaduo.dossier.render import html
from llamaduo.findings import Result
from llamaduo.records import Answer, Example, Judgement, Mark, Message, Score
from llamaduo.store import Rows
from llamaduo.unseen import visible

HOSTILE = (
    '<script>document.title = "owned"</script>',
    '</pre></span></script></style><img src="x" onerror="document.title=\'owned\'">',
    '"><svg onload="document.title=\'owned\'"><a href="javascript:alert(7)">x</a>',
    "{{ 7 * 7 }} {% include 'style.css' %} &lt;b&gt;",
    "\x00 nothing \u202e turned \u2066 aside\x1b[31m \ufeff\r\nnext\rline\u2028end",
    "<b>" + "long " * 20_000,
)


@pytest.fixture
def dossier(finished: Finished) -> Dossier:
    return dossier_of(finished)


def judgement(text: str, score: float | None, name: str = "h-1") -> Judgement:
    asked = (Message(role="system", content=text), Message(role="user", content=text))
    row = Example(id=name, messages=asked, target=text, category=text[:80])
    marks = () if score is None else (Mark(similarity=score, precision=score, by=text[:50]),)
    return Judgement(
        answer=Answer(example=row, text=text),
        score=None if score is None else Score(similarity=score, precision=score),
        marks=marks,
        why=(text[:200],),
    )


def with_answers(evidence: Evidence, given: Sequence[Judgement]) -> Evidence:
    """Return the evidence as if the decided model had given other answers."""
    rows = evidence.again.rows
    assert rows is not None
    plain = [one.model_dump(mode="json") for one in given]
    return replace(
        evidence,
        again=replace(evidence.again, rows=Rows(tuple(given), "c", rows.recipe, rows.path)),
        roots={**evidence.roots, rows.recipe: plain},
    )


def with_result(evidence: Evidence, **changed: Any) -> Evidence:
    """Return the evidence as if the run had come to something else."""
    result = Result.model_validate(evidence.result.model_dump() | changed)
    plain = {**evidence.roots, "result": result.model_dump(mode="json")}
    return replace(evidence, result=result, roots=plain)


def hostile(evidence: Evidence) -> str:
    given = [judgement(text, 1.0, f"h-{i}") for i, text in enumerate(HOSTILE)]
    given += [judgement(text, None, f"u-{i}") for i, text in enumerate(HOSTILE)]
    return html(with_answers(evidence, given))


def test_nothing_that_an_answer_holds_becomes_part_of_the_page(dossier: Dossier) -> None:
    page = read(hostile(dossier.evidence))
    assert {tag for tag, _ in page.tags} == {tag for tag, _ in read(dossier.page).tags}
    assert "script" not in {tag for tag, _ in page.tags}
    for tag, given in page.tags:
        assert not [name for name in given if name.startswith("on")]
        assert (given.get("href") or "#").startswith("#"), tag
        assert (given.get("src") or "data:").startswith("data:image/svg+xml;base64,"[:5]), tag
    shown = [one.text for one in page.traced if one.path.endswith(".answer.text")]
    assert all(visible(text)[:LONGEST] in shown for text in HOSTILE[:5])


def test_what_nobody_sees_is_written_out_and_what_is_cut_is_said(dossier: Dossier) -> None:
    made = hostile(dossier.evidence)
    assert (
        "\\u0000 nothing \\u202e turned \\u2066 aside\\u001b[31m \\ufeff\nnext\\u000dline" in made
    )
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", made)
    said = re.sub("<[^>]+>", "", made)
    assert "100,003 characters, of which the first 6,000 are shown" in said


def test_answers_without_marks_stand_apart_and_are_counted(dossier: Dossier) -> None:
    given = [judgement("fine", 90.0, "a"), judgement("poor", 3.0, "b"), judgement("lost", None)]
    again = judgement("poor", 3.0, "b")
    assert worst([*given, again]) == ([1, 0], [2])
    made = html(with_answers(dossier.evidence, [*given, again]))
    said = re.sub(r"\s+", " ", re.sub("<[^>]+>", "", made.partition("</style>")[2]))
    assert "Of 4 answers of round 1, the 2 with the lowest mean of both marks" in said
    assert "after them 1 of the 1 that have no marks at all" in said
    words = ("prompt, userpoor", "prompt, userfine", "a mark of zero", "prompt, userlost")
    bare = said.replace(" ", "")
    places = [bare.index(word.replace(" ", "")) for word in words]
    assert places == sorted(places)


def test_a_blocked_switch_says_first_what_stands_against_it(dossier: Dossier) -> None:
    decision = dossier.evidence.result.decision
    why = "the judge is flagged: it marks blindly"
    changed = decision.model_copy(
        update={
            "verdict": "not enough data",
            "reasons": (*decision.reasons, "against a switch stands:", why),
            "blocked": (why,),
        }
    )
    made = html(with_result(dossier.evidence, decision=changed.model_dump()))
    said = re.sub("<[^>]+>", "", made)
    assert "is not settled." in said
    assert said.count(why) == 1
    assert "Not more prompts: put right what stands against a switch" in said


def test_what_would_settle_it_and_an_end_by_the_budget_are_said(dossier: Dossier) -> None:
    decision = dossier.evidence.result.decision.model_copy(
        update={"verdict": "not enough data", "needed": 769}
    )
    made = html(
        with_result(dossier.evidence, decision=decision.model_dump(), unfinished="no money left")
    )
    said = re.sub("<[^>]+>", "", made)
    assert "About 769 test prompts, if what was seen is the truth; there were 16" in said
    assert "no money left" in said


def test_a_run_that_never_came_to_its_test_has_a_dossier_too(dossier: Dossier) -> None:
    from llamaduo.decision import undecided

    decision = undecided("the budget ended", 60).model_dump()
    bare = with_result(
        dossier.evidence,
        decision=decision,
        test=None,
        baselines=(),
        compared=(),
        audit=None,
        stopped="budget",
    )
    bare = replace(bare, again=replace(bare.again, rows=None, result=None, due="judgements/x"))
    made = html(replace(bare, roots={**bare.roots, "checks": []}))
    assert made.count("The sealed test was not opened.") == 2, "of models, and of answers"
    assert "It was not measured on the test." in made


def test_what_a_search_spent_is_taken_as_its_run_wrote_it(dossier: Dossier) -> None:
    made = dossier.evidence.result
    trial = {"number": 0, "settings": {"tuner.lr": 0.001}, "state": "complete"}
    searched = {"objective": "coverage", "wanted": 1, "trials": [trial], "best": 0}
    dearer = [one.model_dump() | {"usd": one.usd + 1} for one in made.rounds]
    ran = with_result(dossier.evidence, searched=searched, rounds=dearer, tallies=())
    assert differing(ran.result, made) == ("rounds", "tallies", "searched")
    assert differing(ran.result, with_search(made, ran.result)) == ()
    fewer = made.model_copy(update={"rounds": made.rounds[:1]})
    assert "rounds" in differing(ran.result, with_search(fewer, ran.result))
    said = re.sub("<[^>]+>", "", html(ran))
    assert "A search of 1 trials on dev chose the settings of the tuner" in said
    assert "(but for its search and what was spent)" in said


def test_the_page_asks_for_nothing_and_its_policy_forbids_it(dossier: Dossier) -> None:
    page = read(dossier.page)
    [policy] = [g["content"] for _, g in page.tags if g.get("http-equiv")]
    assert policy is not None and policy.startswith("default-src 'none'; style-src 'unsafe-inline'")
    assert not [tag for tag, _ in page.tags if tag in ("script", "link", "iframe", "object")]
    assert "@import" not in dossier.page and "url(" not in dossier.page
    for source in (given["src"] for tag, given in page.tags if tag == "img"):
        assert source is not None
        drawn = base64.b64decode(source.removeprefix("data:image/svg+xml;base64,"))
        assert ElementTree.fromstring(drawn).tag.endswith("svg")
        assert not re.search(rb'href="[^#"]', drawn)


def test_who_does_not_see_it_can_read_it_too(dossier: Dossier) -> None:
    page = read(dossier.page)
    tags = page.tags
    assert tags[0] == ("html", {"lang": "en"})
    assert all(given.get("alt") for tag, given in tags if tag == "img")
    levels = [int(tag[1]) for tag, _ in tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    assert all(given.get("scope") in ("col", "row") for tag, given in tags if tag == "th")
    names = [tag for tag, _ in tags]
    assert names.count("table") == names.count("caption") > 8
    targets = [given["href"] for tag, given in tags if tag == "a"]
    ids = [given["id"] for _, given in tags if given.get("id")]
    assert len(set(ids)) == len(ids)
    assert {f"#{name}" for name in ids} >= set(targets)
    labelled = {given["aria-labelledby"] for _, given in tags if given.get("aria-labelledby")}
    assert labelled <= set(ids)


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    r, g, b = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


def test_its_colours_stand_out_from_the_paper(dossier: Dossier) -> None:
    known = dict(re.findall(r"--(\w+): (#[0-9a-f]{6})", dossier.page))
    for ink in ("ink", "soft", "accent"):
        for paper in ("#ffffff", known["tint"]):
            assert (luminance(paper) + 0.05) / (luminance(known[ink]) + 0.05) > 4.5


def test_the_same_store_gives_the_same_bytes(dossier: Dossier, finished: Finished) -> None:
    assert html(gather(finished.exp, finished.place)) == dossier.page


READS = """
import sys
from llamaduo.verbs import report
assert report.main(sys.argv[1:]) == 0
heavy = ("torch", "transformers", "trl", "peft", "mlflow", "litellm", "optuna", "datasets")
print("heavy:", [name for name in heavy if name in sys.modules])
"""


def test_it_only_reads_and_needs_no_heavy_library(finished: Finished, tmp_path: Path) -> None:
    def bytes_of() -> dict[str, str]:
        files = (finished.home / ".llamaduo").rglob("*")
        ours = [path for path in files if path.is_file() and path.name != "running"]
        return {str(path): file_sha256(path) for path in ours}

    before = bytes_of()
    words = [f"home={finished.home}", "--out", str(tmp_path / "here.html")]
    said = subprocess.run(
        [sys.executable, "-c", READS, *words],
        env=os.environ | {"PYTHONPATH": str(Path(llamaduo.__file__).parents[1])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert said.returncode == 0, said.stderr
    assert said.stdout == f"dossier: {tmp_path / 'here.html'}\nheavy: []\n"
    assert bytes_of() == before


@pytest.mark.skipif(
    printing.browser() is None,
    reason="no Chromium on PATH: the HTML is checked, what a browser makes of it is not",
)
def test_a_browser_runs_nothing_of_it_and_prints_it(dossier: Dossier, tmp_path: Path) -> None:
    browser = printing.browser()
    assert browser is not None
    source = tmp_path / "hostile.html"
    probe = "<script>document.documentElement.lang = 'xx'</script></body>"
    source.write_text(hostile(dossier.evidence).replace("</body>", probe), encoding="utf-8")
    words = [browser, *printing.flags(tmp_path / "profile"), "--dump-dom", source.as_uri()]
    seen = subprocess.run(words, capture_output=True, text=True, timeout=120, check=True).stdout
    assert "<title>Migration dossier</title>" in seen
    assert '<html lang="en">' in seen, "the policy lets a script run"
    out = tmp_path / "dossier.pdf"
    printing.pdf(dossier.page, out, paper="a4")
    pages = re.findall(rb"/MediaBox \[([^\]]*)\]", out.read_bytes())
    assert len(pages) > 5
    width, height = (float(number) for number in pages[0].split()[2:])
    assert (round(width), round(height)) == (595, 842)
    assert not list(tmp_path.glob("*.new"))


def test_hostile_answers_are_traced_like_any_other(dossier: Dossier) -> None:
    rows = dossier.evidence.again.rows
    assert rows is not None
    given = [judgement(text, 1.0, f"h-{i}") for i, text in enumerate(HOSTILE)]
    made = html(with_answers(dossier.evidence, given))
    known = dossier.known | {rows.recipe: [one.model_dump(mode="json") for one in given]}
    known["shown"] = {"worst": len(HOSTILE), "unjudged": 0}
    assert faults(made, known) == []
