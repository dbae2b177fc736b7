"""What the pages tell a user to type is composed, checked, and where it is free, run."""

import re
import shlex
import shutil
import sqlite3
import sys
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest
from conftest import Finished, move_in

from llamaduo.config import from_overrides
from llamaduo.config.overrides import check
from llamaduo.errors import ConfigError, DataError, LlamaDuoError, UsageError
from llamaduo.experiment import Experiment
from llamaduo.intervals import wilson
from llamaduo.judging import part
from llamaduo.labels import params
from llamaduo.ledger import Ledger
from llamaduo.load import tool
from llamaduo.local.adapter import FILES as FILES_OF_AN_ADAPTER
from llamaduo.options import groups, options
from llamaduo.power import out_of_reach
from llamaduo.progress import Progress
from llamaduo.records import Answer, Example, Message, Score
from llamaduo.verbs import (
    VERBS,
    compare,
    cost,
    estimate,
    help,
    ledger,
    load,
    pack,
    probe,
    promote,
    report,
    rollout,
    run,
    sentinel,
    serve,
    store,
    ui,
    unpack,
)

ROOT = Path(__file__).parent.parent
PAGES = [
    ROOT / "README.md",
    ROOT / "experiments/README.md",
    *sorted((ROOT / "docs").glob("*.md")),
]
OURS = ("llamaduo ", "python -m llamaduo ")
MODULES = ("house_checks", "house_judge")
BRIEF = "python -m llamaduo experiments=brief 'trusted=[house_checks]'"


@dataclass(frozen=True)
class Fence:
    page: str
    info: str
    """What stands after the opening marks: `bash`, `yaml title=conf/task/mine.yaml`."""
    text: str

    @property
    def kind(self) -> str:
        return self.info.partition(" ")[0]

    @property
    def title(self) -> str:
        return self.info.partition("title=")[2]

    @property
    def lines(self) -> list[str]:
        """Commands: continued lines joined, comments out."""
        joined = self.text.replace("\\\n", " ").splitlines()
        return [line for line in joined if line.strip() and not line.startswith("#")]


def fences(page: Path) -> list[Fence]:
    text = page.read_text(encoding="utf-8")
    found = re.findall(r"^```([^\n]*)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    return [Fence(page.name, info.strip(), body) for info, body in found]


ALL = [fence for page in PAGES for fence in fences(page)]
FILES = {fence.title: fence.text for fence in ALL if fence.kind in ("json", "yaml", "python")}
SHELL = [
    fence for fence in ALL if fence.kind == "bash" or "".join(fence.lines[:1]).startswith(OURS)
]
TYPED = [(f.page, line) for f in SHELL if f.info != "bash refused" for line in f.lines]
COMMANDS = sorted({line for _, line in TYPED if line.startswith(OURS)})


def words(command: str) -> list[str]:
    """Return what follows the program's name."""
    parts = shlex.split(command)
    return parts[3:] if parts[0] == "python" else parts[1:]


NO_RUNS = (
    "compare",
    "cost",
    "doctor",
    "estimate",
    "ledger",
    "load",
    "pack",
    "probe",
    "promote",
    "report",
    "sentinel",
    "rollout",
    "serve",
    "store",
    "ui",
    "unpack",
    "--help",
)
RUNS = [c for c in COMMANDS if [*words(c), ""][0] not in NO_RUNS]
PACKS = [words(c)[1:] for c in COMMANDS if words(c)[:1] == ["pack"]]
UNPACKS = [words(c)[1:] for c in COMMANDS if words(c)[:1] == ["unpack"]]
COMPARED = [words(c)[1:] for c in COMMANDS if words(c)[:1] == ["compare"]]
KEPT = [words(c)[1:] for c in COMMANDS if words(c)[:1] == ["store"]]
PROMOTED = [words(c)[1:] for c in COMMANDS if words(c)[:1] == ["promote"]]
LOADS = [words(c)[1:] for c in COMMANDS if words(c)[:1] == ["load"]]
REPORTS = [words(c)[1:] for c in COMMANDS if words(c)[:1] == ["report"]]
PROBED = [words(c) for c in COMMANDS if words(c)[:1] in (["probe"], ["sentinel"])]
ROLLED = [words(c)[1:] for c in COMMANDS if words(c)[:1] == ["rollout"]]
SERVED = [words(c)[1:] for c in COMMANDS if words(c)[:1] == ["serve"]]
LOOKS = [words(c)[1:] for c in COMMANDS if words(c)[:1] == ["ui"]]
LEDGERS = [words(c)[1:] for c in COMMANDS if words(c)[:1] == ["ledger"]]
COSTS = [words(c)[1:] for c in COMMANDS if words(c)[:1] == ["cost"]]
ESTIMATES = [words(c)[1:] for c in COMMANDS if words(c)[:1] == ["estimate"]]


@pytest.fixture(autouse=True)
def documented_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Every file that a page has the reader write stands in the working folder."""
    for name, text in FILES.items():
        if name:
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(text, encoding="utf-8")
    (tmp_path / "my-adapter").mkdir()
    for name in FILES_OF_AN_ADAPTER:
        (tmp_path / "my-adapter" / name).touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in MODULES:
        sys.modules.pop(name, None)
    yield
    for name in MODULES:
        sys.modules.pop(name, None)


def first_values(overrides: Sequence[str], *, sweep: bool) -> list[str]:
    """Put the first value in the place of several; there have to be several in a sweep."""
    checked = check(list(overrides), sweep=sweep)
    assert not checked.faults
    assert bool(checked.swept) is sweep
    return checked.jobs()[0]


def composed(command: str) -> Experiment:
    _, typed = run.until_where([w for w in words(command) if w != "run"])
    _, typed = run.retry_what(typed)
    flags, overrides = run.split(typed)
    assert {f for f in flags if f.startswith("-")} <= {"-m", "--cfg", "-p"}
    return from_overrides(first_values(overrides, sweep="-m" in flags))


def only(title: str) -> Fence:
    [found] = [fence for fence in ALL if fence.title == title]
    return found


@pytest.mark.parametrize("command", RUNS)
def test_every_run_that_the_pages_show_composes_and_is_in_order(command: str) -> None:
    assert composed(command)


@pytest.mark.parametrize("command", [c for c in COMMANDS if words(c)[:1] == ["doctor"]])
def test_every_check_of_the_machine_names_an_experiment_that_composes(command: str) -> None:
    assert from_overrides(words(command)[1:])


@pytest.mark.parametrize("typed", COMPARED, ids=" ".join)
def test_every_comparison_the_pages_show_names_runs_or_overrides_that_compose(
    typed: list[str],
) -> None:
    with pytest.raises(UsageError, match=r"no finished run to compare|no run under .* begins so"):
        compare.main(typed)


@pytest.mark.parametrize("typed", REPORTS, ids=" ".join)
def test_every_dossier_the_pages_show_names_a_run_or_overrides_that_compose(
    typed: list[str],
) -> None:
    with pytest.raises(UsageError, match=r"no finished run under|no run under|was not begun here"):
        report.main(typed)


@pytest.mark.parametrize("typed", PACKS, ids=" ".join)
def test_every_parcel_the_pages_make_holds_the_run_it_names(
    typed: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert pack.main(typed) == 0
    assert f"packed run {from_overrides(typed[1:]).fingerprint()}" in capsys.readouterr().out
    assert (tmp_path / typed[0]).exists()


@pytest.mark.parametrize("typed", UNPACKS, ids=" ".join)
def test_every_parcel_the_pages_unpack_is_one_to_unpack(typed: list[str]) -> None:
    with pytest.raises(UsageError, match="there is no such file or folder"):
        unpack.main(typed)


@pytest.mark.parametrize("typed", KEPT, ids=" ".join)
def test_every_word_of_housekeeping_runs_on_a_finished_run(
    typed: list[str],
    finished: Finished,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    move_in(finished.home, tmp_path)  # MLflow's files too: what is forgotten is gone from the copy
    assert store.main(typed) == 0
    said = capsys.readouterr().out
    assert ("nothing was removed" in said) == ("--yes" not in typed and typed[0] != "ls")


@pytest.mark.parametrize("typed", LOOKS, ids=" ".join)
def test_every_look_at_runs_is_one_at_a_home(typed: list[str]) -> None:
    with pytest.raises(UsageError, match="there are no runs under"):
        ui.main(typed)


@pytest.mark.parametrize("typed", SERVED, ids=" ".join)
def test_every_serving_the_pages_show_is_one_that_only_lacks_its_version(typed: list[str]) -> None:
    with pytest.raises(LlamaDuoError, match="there are no runs in MLflow under"):
        serve.main(typed)


@pytest.mark.parametrize("typed", PROMOTED, ids=" ".join)
def test_every_promotion_the_pages_show_is_one_that_only_lacks_its_run(typed: list[str]) -> None:
    local = [word for word in typed if not word.startswith("tracker.uri=")]  # nobody serves it
    lacks = "no finished run under|no run under .* begins so|was not begun here|no runs in MLflow"
    with pytest.raises(LlamaDuoError, match=lacks):
        promote.main(local)


@pytest.mark.parametrize("typed", PROBED, ids=" ".join)
def test_every_probe_and_every_look_of_the_sentinel_only_lacks_its_model(typed: list[str]) -> None:
    verb = {"probe": probe, "sentinel": sentinel}[typed[0]]
    with pytest.raises(LlamaDuoError, match="no runs in MLflow"):
        verb.main(typed[1:])


@pytest.mark.parametrize("typed", LOADS, ids=" ".join)
def test_every_load_test_the_pages_show_only_lacks_its_version(
    typed: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tool, "program", lambda: "guidellm")
    with pytest.raises(LlamaDuoError, match="no runs in MLflow"):
        load.main(typed)


@pytest.mark.parametrize("typed", ROLLED, ids=" ".join)
def test_every_phase_the_pages_show_only_lacks_a_model_or_calls(typed: list[str]) -> None:
    if typed[0] == "capture":
        assert rollout.main(typed) == 0
        return
    lacks = "no runs in MLflow|nothing was begun|there is no file or folder|who is the service"
    with pytest.raises(LlamaDuoError, match=lacks):
        rollout.main(typed)


@pytest.mark.parametrize("typed", LEDGERS, ids=" ".join)
def test_every_look_into_the_ledger_shows_what_a_finished_run_has_paid(
    typed: list[str], finished: Finished, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(finished.home / ".llamaduo", tmp_path / ".llamaduo")
    assert ledger.main(typed) == 0
    assert re.match(r"(the ledger|run \w+): \d+ calls in|written: ", capsys.readouterr().out)


@pytest.mark.parametrize("overrides", COSTS, ids=" ".join)
def test_every_cost_command_prints_its_table(
    overrides: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cost.main(overrides) == 0
    assert "break-even: " in capsys.readouterr().out


@pytest.mark.parametrize("typed", ESTIMATES, ids=" ".join)
def test_every_estimate_the_pages_show_prints_its_table(
    typed: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert estimate.main(typed) == 0
    assert re.search(r"^in all +[\d,]+ ", capsys.readouterr().out, re.MULTILINE)


def test_the_page_on_estimates_shows_what_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    typed, said = fences(ROOT / "docs/estimate.md")[:2]
    assert estimate.main(words(typed.lines[0])[1:]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith(said.text), "what is missing for other reasons follows"


def test_what_else_the_pages_have_one_type_exists() -> None:
    targets = re.findall(r"^([a-z-]+):.*##", (ROOT / "Makefile").read_text(), re.MULTILINE)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for page, line in TYPED:
        said = shlex.split(line)
        if said[0] == "make":
            assert said[1] in targets, (page, line)
        elif said[:2] == ["pip", "install"] and "[" in line:
            assert re.findall(r"\[(\w+)\]", line)[0] in project["optional-dependencies"]


def test_no_two_pages_write_one_file_with_different_contents() -> None:
    titled = [fence for fence in ALL if fence.title and fence.kind != "text"]
    assert len({fence.title for fence in titled}) == len(titled)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_a_page_and_a_heading_that_are_there(page: Path) -> None:
    text = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if "://" in link:
            continue
        name, _, anchor = link.partition("#")
        there = page.parent / name if name else page
        assert there.exists(), link
        if anchor:
            headings = re.findall(r"^#+ (.+)$", there.read_text(), re.MULTILINE)
            slugs = [re.sub(r"[^\w -]", "", h.lower()).replace(" ", "-") for h in headings]
            assert anchor in slugs, link


def test_every_page_is_in_the_index() -> None:
    index = (ROOT / "docs/README.md").read_text()
    assert all(f"({page.name})" in index for page in PAGES if page.name != "README.md")


def test_help_lists_the_verbs_and_the_readers_own_files() -> None:
    said = help.text()
    assert all(name in said for name in (*VERBS, "mine", "house", "same_label", "reviews"))


def test_configuration_lists_every_group_and_option_with_the_default_first() -> None:
    page = (ROOT / "docs/configuration.md").read_text()
    default = from_overrides([])
    for group in groups():
        [row] = re.findall(rf"^\| `{group}` \|[^|]*\|(.*)\|$", page, re.MULTILINE)
        named = re.findall(r"`(\w+)`", row)
        own = {Path(name).stem for name in FILES if name.startswith(f"conf/{group}/")}
        assert set(named) == set(options(group)) - own
        first = getattr(from_overrides([f"{group}={named[0]}"]), group)
        assert getattr(default, group) in (first, None)


def test_configuration_lists_every_root_key() -> None:
    page = (ROOT / "docs/configuration.md").read_text()
    keys = set(Experiment.model_fields) - set(groups()) - {"goal"}
    assert all(re.search(rf"^\| `{key}` \|", page, re.MULTILINE) for key in keys)


REFUSED = [(one, two) for one, two in pairwise(ALL) if one.info == "bash refused"]


@pytest.mark.parametrize(("typed", "said"), REFUSED, ids=[one.page for one, _ in REFUSED])
def test_the_faults_of_a_config_are_said_as_the_pages_show_them(typed: Fence, said: Fence) -> None:
    with pytest.raises(ConfigError) as error:
        from_overrides(words(typed.lines[0]))
    assert f"llamaduo: {error.value}\n" == said.text


def test_the_faults_of_rows_are_said_as_the_page_shows_them(tmp_path: Path) -> None:
    task = from_overrides(["task=mine", "task.rows.path=data/broken.jsonl"]).task
    with pytest.raises(DataError) as error:
        task.place()
    assert str(error.value).removeprefix(f"{tmp_path}/data/") + "\n" == only("broken").text


@pytest.mark.parametrize("overrides", [["task=mine"], ["task=mine", "experiments=demo_tiny"]])
def test_the_example_rows_are_read_in_all_shapes_and_leave_no_part_empty(
    overrides: list[str],
) -> None:
    task = from_overrides(overrides).task
    placed = task.place()
    assert len(placed) == 12
    assert {row.part for row in placed} == {"train", "dev", "test"}
    assert {row.example.target for row in placed} == {"positive", "negative", "mixed"}
    for row in placed:
        assert all(c.passes(row.example.target, row.example) for c in task.checks.values())


def test_the_numbers_of_test_prompts_are_those_of_the_interval() -> None:
    page = (ROOT / "docs/verdict.md").read_text()
    rows = re.findall(r"^\| (\d+) \| (\d+)(?: or more)? \| (\d+) or fewer \|$", page, re.MULTILINE)
    assert len(rows) == 5
    for n, switch, keep in (map(int, row) for row in rows):
        assert wilson(switch, n)[0] >= 0.9 > wilson(switch - 1, n)[0]
        assert wilson(keep, n)[1] < 0.9 <= wilson(keep + 1, n)[1]
    assert not out_of_reach(35, 90)
    assert out_of_reach(25, 90).startswith("25 test prompts cannot show a coverage of 90 %")


def test_limits_go_on_in_the_same_run_and_a_seed_is_another() -> None:
    first = composed("llamaduo experiments=demo_tiny").fingerprint()
    assert composed("llamaduo experiments=demo_tiny rounds=3").fingerprint() == first
    assert composed("llamaduo experiments=demo_tiny seed=7").fingerprint() != first


def test_the_ledger_can_be_looked_into_as_the_page_says(tmp_path: Path) -> None:
    Ledger(tmp_path / "ledger.sqlite").close()
    [line] = [line for page, line in TYPED if line.startswith("sqlite3 ")]
    db = sqlite3.connect(tmp_path / "ledger.sqlite")
    assert db.execute(shlex.split(line)[2]).fetchall() == []
    db.close()


def answer(text: str, target: str) -> Answer:
    asked = Message(role="user", content="Which?")
    return Answer(example=Example(id="a", messages=(asked,), target=target), text=text)


def test_the_check_of_ones_own_passes_short_answers_only() -> None:
    brief = composed(BRIEF).task.checks["brief"]
    asked = answer("", "").example
    assert brief.passes("three short words", asked)
    assert not brief.passes("these are four words", asked)


def test_a_check_of_ones_own_leaves_the_rows_where_they_are() -> None:
    plain = from_overrides([]).task.place()
    assert part(composed(BRIEF).task.place(), "test") == part(plain, "test")


def test_the_judge_of_ones_own_marks_without_a_call() -> None:
    judge = composed("python -m llamaduo judge=same_label 'trusted=[house_judge]'").judge
    answers = [answer(" Positive\n", "positive"), answer("mixed", "positive")]
    judged = list(judge.grade(answers, {}, stop=None, progress=Progress()))
    right, wrong = Score(similarity=100, precision=100), Score(similarity=0, precision=0)
    assert [judgement.score for judgement in judged] == [right, wrong]
    assert not judge.services


def test_what_the_sweep_page_calls_parameters_are_logged() -> None:
    assert {"tuner.lr", "seed"} <= set(params(from_overrides([])))
