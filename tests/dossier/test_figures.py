"""Every figure of the dossier is where it says it is from; one that is not is found."""

import json
import re
import shutil
from pathlib import Path

import pytest
from conftest import Finished
from tracing import Dossier, dossier_of, faults, look_up, read

from llamaduo.config.stored import of_run
from llamaduo.dossier.evidence import gather
from llamaduo.dossier.forms import FORMS
from llamaduo.dossier.render import html


@pytest.fixture
def dossier(finished: Finished) -> Dossier:
    return dossier_of(finished)


def test_every_figure_is_the_one_that_store_ledger_and_folder_hold(
    dossier: Dossier,
) -> None:
    assert faults(dossier.page, dossier.known) == []


def test_the_figures_that_a_decision_rests_on_are_among_them(dossier: Dossier) -> None:
    paths = {one.path for one in read(dossier.page).traced}
    assert {
        "result.decision.measure.value",
        "result.decision.measure.low",
        "result.decision.measure.n",
        "result.decision.goal",
        "result.compared.1.coverage.value",
        "result.test.categories.0.coverage.low",
        "result.audit.findings.0.says",
        "looks.0.prompts",
        "result.rounds.1.dropped",
        "result.rounds.1.training.loss",
        "result.tallies.*.usage.usd",
        "projection.pairs.0.break_even_month",
        "assumptions.0",
        "passport.0.identity",
        "result.rounds.1.adapter",
        "config text",
    } <= paths
    quoted = [path for path in paths if path.startswith("judgements/")]
    for end in ("score.similarity", "marks.0.precision", "answer.text", "answer.example.target"):
        assert any(path.endswith(end) for path in quoted)
    assert any(re.search(r"^replies:judgements/\w+\.\w+\.0\.text$", path) for path in paths)


SHOWN = r'(<data [^>]*data-from="result\.decision\.measure\.high"[^>]*>)[^<]+'
EXACT = r'<data value="[^"]*"( data-from="result\.decision\.measure\.high")'


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (SHOWN, r"\g<1>99.9"),
        (EXACT, r'<data value="99.9"\1'),
        (r'data-from="result\.decision\.measure\.high"', 'data-from="result.decision.goal"'),
        (r'data-from="result\.decision\.measure\.high"', 'data-from="result.nobody"'),
        (r"The service stays callable", "The service stays callable for 90 days"),
        (r"(answer\.text[^>]*>)[^<]+", r"\1A better answer."),
    ],
)
def test_a_figure_that_was_tampered_with_is_found(dossier: Dossier, old: str, new: str) -> None:
    spoilt, times = re.subn(old, new, dossier.page, count=1)
    assert times == 1 and spoilt != dossier.page
    assert faults(spoilt, dossier.known)


def test_a_result_that_the_store_does_not_give_is_said_and_found(
    dossier: Dossier, finished: Finished, tmp_path: Path
) -> None:
    place = copied(finished, tmp_path)
    result = json.loads((place / "result.json").read_text())
    result["test"]["coverage"]["value"] = 87.5
    (place / "result.json").write_text(json.dumps(result))
    evidence = gather(of_run(place, {}), place)
    page = html(evidence)
    assert evidence.differs == ("test",)
    assert "result otherwise today: test." in page
    assert "and came to the same" in dossier.page
    found = faults(page, dossier.known)
    assert any("result.test.coverage.value: shows '87.5'" in fault for fault in found)


def test_answers_that_are_not_in_the_store_any_more_are_missed(
    dossier: Dossier, finished: Finished, tmp_path: Path
) -> None:
    place = copied(finished, tmp_path)
    rows = dossier.evidence.again.rows
    assert rows is not None
    shutil.rmtree(place.parents[1] / "store" / rows.recipe)
    evidence = gather(of_run(place, {}), place)
    page = html(evidence)
    assert evidence.again.due == rows.recipe
    assert "what they are in is not in the store any more" in page
    assert "Not every result that the run rests on" in page
    assert "Judged on" not in page


def test_a_path_with_a_key_of_many_words_is_found() -> None:
    known = {"a": {"two words": [{"b": 1}, {"b": 2}]}}
    assert look_up('a["two words"].1.b', known) == 2
    assert look_up('a["two words"].*.b', known) == [1, 2]


def test_every_form_is_used_or_could_be_by_a_run() -> None:
    templates = Path(gather.__code__.co_filename).parent / "page"
    text = "".join(path.read_text() for path in templates.glob("*.html"))
    named = set(re.findall(r'"([a-z ]+)"\)', text)) | {"signed", "one"}
    assert set(FORMS) - named == set()


def copied(finished: Finished, under: Path) -> Path:
    """Return the run's folder in a copy of its home."""
    shutil.copytree(finished.home / ".llamaduo", under / ".llamaduo")
    return under / ".llamaduo" / "runs" / finished.place.name
