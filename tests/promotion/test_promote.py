"""Promotion: what becomes a version, what is refused, and that it answers as it was judged."""

import fcntl
import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import yaml
from mlflow.tracking import MlflowClient
from shelf import EASY, FEW, MODEL, Run, aliases, client, folder, loud, references, run, versions
from small_world import Base, Diary, Parrot, altered

from llamaduo import promotion
from llamaduo.component import file_sha256
from llamaduo.config import from_overrides
from llamaduo.engine.transformers import TransformersEngine
from llamaduo.errors import LlamaDuoError, ModelError, UsageError
from llamaduo.local import load
from llamaduo.local.shape import folder_of
from llamaduo.openings import FILE as OPENINGS
from llamaduo.progress import Progress
from llamaduo.promotion import promote as module
from llamaduo.promotion.candidate import Forced, candidate
from llamaduo.promotion.card import clean
from llamaduo.promotion.held import hold
from llamaduo.promotion.papers import papers
from llamaduo.promotion.probed import PARITY, SERVED, UNPROVED
from llamaduo.promotion.promote import promote as promoted
from llamaduo.promotion.references import answered
from llamaduo.promotion.served import Served, opened
from llamaduo.records import Answer
from llamaduo.serving.reading import OnBase, of_base
from llamaduo.store import Store
from llamaduo.tracker.mlflow import MlflowTracker
from llamaduo.tracker.registry import Registry
from llamaduo.tracker.registry import opened as opened_registry
from llamaduo.verbs import promote

ROOT = Path(promotion.__file__).parents[2]
JUDGED = ("tuner=none", *FEW)


@dataclass(frozen=True)
class Shelf:
    """A home with three finished runs, of which none is promoted yet."""

    home: Path
    first: Run
    second: Run
    kept: Run
    """Its verdict is `keep the service`; its adapter was tuned."""


@pytest.fixture(scope="module")
def made(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Shelf:
    home = tmp_path_factory.mktemp("shelf")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(cache))
        patch.chdir(home)
        adapters = [loud(home / f"adapter-{seed}", seed) for seed in (1, 2)]
        first = run(*JUDGED, *EASY, f"local.adapter={adapters[0]}")
        second = run(*JUDGED, *EASY, f"local.adapter={adapters[1]}", "engine.dtype=float32")
        kept = run(*FEW, "tuner.steps=2")
    return Shelf(home, first, second, kept)


@pytest.fixture
def shelf(made: Shelf, monkeypatch: pytest.MonkeyPatch) -> Shelf:
    """The three runs as they were finished: what the test before registered is gone."""
    kept = made.home / "mlflow.kept"
    database = made.home / "mlruns" / "mlflow.db"
    if not kept.exists():
        shutil.copyfile(database, kept)
    shutil.copyfile(kept, database)
    monkeypatch.chdir(made.home)
    return made


FRESH = """
import json, socket, sys
def refuse(*_): raise OSError("no network here")
socket.socket.connect = refuse
import mlflow
from llamaduo.verbs import promote
asked = json.load(open("asked.json"))
model = mlflow.pyfunc.load_model("models:/ticket_triage@champion")
plain = [chat["messages"][0]["content"] for chat in asked]
said = [model.predict(asked), model.predict(plain), model.predict(plain[:1] + plain[::-1])]
drawn = [model.predict(plain, params={"temperature": 2.0, "max_new_tokens": 3, "seed": s})
         for s in (1, 1, 2)]
promote.main(["--rollback", "it is too loud"])
said.append(mlflow.pyfunc.load_model("models:/ticket_triage@champion").predict(asked))
json.dump({"said": said, "drawn": drawn}, open("said.json", "w"))
"""


def test_a_champion_answers_as_it_was_judged_in_a_fresh_process_and_so_does_the_one_before_it(
    shelf: Shelf, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert promote.main([shelf.first.name[:8]]) == 0
    assert promote.main([shelf.second.name, "--weights", "merged"]) == 0
    assert "before it was version 1" in capsys.readouterr().out
    first, second = (references(folder(number, tmp_path)) for number in "12")
    assert len({one["text"] for one in first} & {one["text"] for one in second}) == 0
    assert len({one["text"] for one in second}) > 10
    asked = [{"messages": one["messages"]} for one in second]
    (shelf.home / "asked.json").write_text(json.dumps(asked))
    environment = os.environ | {
        "PYTHONPATH": str(ROOT),
        "MLFLOW_TRACKING_URI": f"sqlite:///{shelf.home}/mlruns/mlflow.db",
    }
    subprocess.run([sys.executable, "-c", FRESH], env=environment, cwd=shelf.home, check=True)
    got = json.loads((shelf.home / "said.json").read_text())
    texts = [one["text"] for one in second]
    assert got["said"][0] == texts
    assert got["said"][1] == texts  # each of these chats is one turn of the user
    assert got["said"][2] == [texts[0], *texts[::-1]]
    assert got["said"][3] == [
        next(was["text"] for was in first if was["messages"] == one["messages"]) for one in second
    ]
    assert got["drawn"][0] == got["drawn"][1] != got["drawn"][2]
    assert aliases() == {"champion": "1"}


def test_merged_weights_are_a_model_that_plain_transformers_loads_and_that_says_the_same(
    shelf: Shelf, tmp_path: Path
) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    promote.main([shelf.second.name, "--weights", "merged"])
    version = folder("1", tmp_path)
    load.quiet()
    weights = version / "artifacts" / "weights"
    model: Any = AutoModelForCausalLM.from_pretrained(weights, use_safetensors=True)
    tokenizer = AutoTokenizer.from_pretrained(weights)
    assert str(model.dtype) == "torch.float32"
    for one in references(version):
        prompt = tokenizer.apply_chat_template(
            one["messages"], add_generation_prompt=True, return_tensors="pt", return_dict=True
        )
        tokens = model.generate(**prompt, do_sample=False, max_new_tokens=16)
        after = tokens[0, prompt["input_ids"].shape[1] :]
        assert tokenizer.decode(after, skip_special_tokens=True) == one["text"]


def test_a_verdict_that_is_no_switch_is_refused_with_its_reasons_and_nothing_is_made(
    shelf: Shelf,
) -> None:
    database = shelf.home / "mlruns" / "mlflow.db"
    stages = sorted((shelf.home / ".llamaduo" / "store").rglob("*"))
    before = file_sha256(database)
    with pytest.raises(LlamaDuoError) as error:
        promote.main([])  # the run that was finished last
    assert error.value.exit_code == 1
    said = str(error.value)
    decision = shelf.kept.result.decision
    assert f"{shelf.kept.name[:8]}: the verdict is `keep the service`" in said
    assert decision.verdict == "keep the service"
    assert all(reason in said for reason in decision.reasons)
    assert "--challenger" in said and "--force" in said
    assert file_sha256(database) == before
    assert sorted((shelf.home / ".llamaduo" / "store").rglob("*")) == stages


@contextmanager
def undecided(run: Run) -> Iterator[None]:
    """Have a run be one that its budget stopped before there was a verdict."""
    file = run.place / "result.json"
    whole = file.read_text()
    decision = run.result.decision.model_copy(update={"verdict": "not enough data"})
    early = {"decision": decision, "test": None, "stopped": "budget"}
    file.write_text(run.result.model_copy(update=early).model_dump_json())
    try:
        yield
    finally:
        file.write_text(whole)


@pytest.mark.parametrize("force", [None, Forced("soon", "me", "now")])
def test_a_version_of_a_run_that_went_on_says_what_it_came_to(
    force: Forced | None, shelf: Shelf, tmp_path: Path
) -> None:
    quiet = Progress(io.StringIO())
    with undecided(shelf.first):
        challenger = force is None
        promoted(shelf.first.exp, shelf.first.place, quiet, challenger=challenger, force=force)
        again = promoted(shelf.first.exp, shelf.first.place, quiet, challenger=True)
        assert not again.made
    [before] = versions()
    assert before.tags["llamaduo.verdict"] == "not enough data"
    assert before.tags["llamaduo.forced"] == str(force is not None).lower()
    assert "llamaduo.coverage" not in before.tags
    assert "coverage: not measured" in before.description
    promote.main([shelf.first.name])
    [version] = versions()
    assert aliases() == {"champion": "1"}
    assert (version.tags["llamaduo.verdict"], version.tags["llamaduo.n"]) == ("switch", "16")
    assert version.tags["llamaduo.forced"] == "false"
    assert "llamaduo.forced_reason" not in version.tags
    card = (folder("1", tmp_path) / "card.md").read_text()
    for text in (card, version.description):
        assert "coverage: not measured" not in text and "Champion by force" not in text
    assert "goal 50 %" in card


def test_a_result_that_the_store_gives_otherwise_is_refused(shelf: Shelf) -> None:
    with (
        undecided(shelf.first),
        pytest.raises(LlamaDuoError, match="another decision and another test than its store"),
    ):
        promote.main([shelf.first.name, "--challenger"])
    assert versions() == []


def test_an_address_that_only_the_runs_own_file_names_is_not_gone_to(shelf: Shelf) -> None:
    file = shelf.first.place / "config.yaml"
    whole = file.read_text()
    config = yaml.safe_load(whole)
    config["tracker"]["uri"] = "http://127.0.0.1:9/elsewhere"
    file.write_text(yaml.safe_dump(config))
    try:
        for words in ([], ["--list"], ["--rollback"]):
            with pytest.raises(
                UsageError, match=r"add tracker\.uri=http://127\.0\.0\.1:9/elsewhere"
            ):
                promote.main([shelf.first.name, *words])
        promote.main([shelf.first.name, "tracker=mlflow"])  # the one that the command line gives
    finally:
        file.write_text(whole)


def test_others_list_and_roll_back_while_a_model_answers(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for one in (shelf.first, shelf.second):
        promote.main([one.name])
    registry = shelf.home / "mlruns" / ".promoting"
    whole = papers

    def meanwhile(*args: Any) -> Any:
        with registry.open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # BlockingIOError if it is held
        promote.main(["--rollback"])
        return whole(*args)

    monkeypatch.setattr(module, "papers", meanwhile)
    promote.main([shelf.kept.name, "--challenger"])
    assert aliases() == {"champion": "1", "challenger": "3"}
    with registry.open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        promote.main(["--list"])
    assert "waiting" not in capsys.readouterr().err


def test_another_challenger_stays_when_a_version_becomes_champion(shelf: Shelf) -> None:
    promote.main([shelf.kept.name, "--challenger"])
    promote.main([shelf.first.name])
    assert aliases() == {"champion": "2", "challenger": "1"}


def test_a_challenger_is_registered_whatever_the_verdict_and_leaves_the_champion(
    shelf: Shelf, capsys: pytest.CaptureFixture[str]
) -> None:
    promote.main([shelf.first.name])
    promote.main([shelf.kept.name, "--challenger"])
    assert "it is challenger" in capsys.readouterr().out
    assert aliases() == {"champion": "1", "challenger": "2"}
    assert versions()[1].tags["llamaduo.verdict"] == "keep the service"


def test_force_makes_a_champion_and_stands_on_the_version_and_its_card(
    shelf: Shelf, tmp_path: Path
) -> None:
    promote.main([shelf.kept.name, "--challenger"])
    [before] = versions()
    assert before.tags["llamaduo.forced"] == "false"
    promote.main([shelf.kept.name, "--force", "the old one\nis gone"])
    [version] = versions()
    assert aliases() == {"champion": "1"}
    assert version.tags["llamaduo.forced"] == "true"
    assert version.tags["llamaduo.forced_reason"] == "the old one is gone"
    assert version.tags["llamaduo.forced_by"] and version.tags["llamaduo.forced_at"]
    card = (folder("1", tmp_path) / "card.md").read_text()
    for text in (card, version.description):
        assert "Champion by force" in text and "because: the old one is gone" in text
    assert "Champion by force" not in before.description


@pytest.mark.parametrize("reason", ["", "  "])
def test_force_needs_a_reason(shelf: Shelf, reason: str) -> None:
    with pytest.raises(UsageError, match="--force needs a reason"):
        promote.main([shelf.kept.name, "--force", reason])


def test_what_is_promoted_twice_is_one_version(
    shelf: Shelf, capsys: pytest.CaptureFixture[str]
) -> None:
    promote.main([shelf.first.name])
    promote.main([shelf.first.name, "--force", "to be sure"])
    said = capsys.readouterr()
    assert "version 1 was there" in said.out
    assert "--force is not needed" in said.err
    assert versions()[0].tags["llamaduo.forced"] == "false"
    assert len(versions()) == 1
    assert client().get_registered_model(MODEL).tags["llamaduo.champions"] == '["1"]'


class KilledError(Exception):
    """Where a test pulls the plug."""


def pull(*_: object, **__: object) -> None:
    raise KilledError


@pytest.mark.parametrize(
    ("owner", "what", "registered"),
    [
        (MlflowClient, "create_model_version", 0),
        (MlflowClient, "set_registered_model_alias", 1),
        (Registry, "remember", 1),
        (MlflowClient, "delete_registered_model_alias", 1),
    ],
)
def test_what_a_kill_left_half_is_completed(
    owner: type[object], what: str, registered: int, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(owner, what, pull)
        with pytest.raises(KilledError):
            promote.main([shelf.first.name])
    assert len(versions()) == registered
    promote.main([shelf.first.name])
    assert len(versions()) == 1
    assert aliases() == {"champion": "1"}
    assert client().get_registered_model(MODEL).tags["llamaduo.champions"] == '["1"]'
    assert not (shelf.home / ".llamaduo" / "promoting").exists()


@pytest.mark.parametrize(
    ("owner", "what"), [(Registry, "tag"), (MlflowClient, "set_registered_model_alias")]
)
def test_a_rollback_that_was_killed_goes_to_the_same_champion(
    owner: type[object], what: str, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    for one in (shelf.first, shelf.second):
        promote.main([one.name])
    promote.main([shelf.first.name])  # again: 1, 2, 1
    with monkeypatch.context() as patch:
        patch.setattr(owner, what, pull)
        with pytest.raises(KilledError):
            promote.main(["--rollback"])
    assert aliases() == {"champion": "1"}
    promote.main(["--rollback"])
    assert aliases() == {"champion": "2"}


def test_a_rollback_is_written_on_both_and_ends_where_there_is_none_before(
    shelf: Shelf, capsys: pytest.CaptureFixture[str]
) -> None:
    for one in (shelf.first, shelf.second):
        promote.main([one.name])
    capsys.readouterr()
    promote.main(["--rollback", "too slow", f"home={shelf.home}"])
    assert capsys.readouterr().out == (
        "ticket_triage: version 1 is champion again, in the place of 2\n"
    )
    back, former = versions()
    assert "to version 1: too slow" in former.tags["llamaduo.rolled_back"]
    assert "from version 2: too slow" in back.tags["llamaduo.restored"]
    with pytest.raises(LlamaDuoError, match="there is nothing to roll back to: version 1 is its"):
        promote.main(["--rollback", shelf.first.name])
    with pytest.raises(UsageError, match=r"0f0f: no run under .* begins so"):
        promote.main(["--rollback", "0f0f"])
    assert aliases() == {"champion": "1"}


def test_a_champion_that_was_deleted_gives_way_to_the_one_before_it(
    shelf: Shelf, capsys: pytest.CaptureFixture[str]
) -> None:
    for one in (shelf.first, shelf.second):
        promote.main([one.name])
    client().delete_model_version(MODEL, "2")
    assert aliases() == {}
    promote.main(["--rollback", "it was bad"])
    assert aliases() == {"champion": "1"}
    assert "version 1 is champion again, in the place of one that was deleted" in (
        capsys.readouterr().out
    )
    [back] = versions()
    assert "from one that was deleted: it was bad" in back.tags["llamaduo.restored"]


def test_versions_of_a_home_that_was_moved_are_where_it_is_now(
    shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    promote.main([shelf.first.name])
    there = references(folder("1", tmp_path))
    home = tmp_path / "moved"
    shutil.copytree(shelf.home / "mlruns", home / "mlruns")
    shutil.copytree(shelf.first.place, home / ".llamaduo" / "runs" / shelf.first.name)
    monkeypatch.chdir(home)
    promote.main(["--list"])
    (tmp_path / "now").mkdir()
    assert references(folder("1", tmp_path / "now")) == there
    run = client().get_run(versions()[0].run_id)
    assert run.info.artifact_uri.startswith(home.as_uri())


def test_versions_are_listed_with_what_was_known_of_them(
    shelf: Shelf, capsys: pytest.CaptureFixture[str]
) -> None:
    promote.main([shelf.first.name])
    promote.main([shelf.kept.name, "--force", "so it is"])
    capsys.readouterr()
    assert promote.main(["--list"]) == 0
    name, head, newest, oldest = capsys.readouterr().out.splitlines()
    assert name == MODEL and head.split()[0] == "version"
    assert newest.split()[:3] == ["2", "champion", shelf.kept.name[:8]]
    assert "keep the service" in newest and "forced, simulated" in newest
    assert oldest.split()[:4] == ["1", "-", shelf.first.name[:8], "switch"]
    assert "100.0 (80.6 to 100.0)" in oldest
    with pytest.raises(UsageError, match=r"nothing of summarization .*there are: ticket_triage"):
        promote.main(["--list", "task=summarization"])


def test_a_version_says_what_it_is_and_holds_nothing_pickled_and_no_secret(
    shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = [*FEW, "tuner.steps=2", f"home={shelf.home}"]
    monkeypatch.setenv("SOME_API_KEY", "nobody-may-see-this")
    looks = (shelf.home / ".llamaduo" / "openings" / OPENINGS).read_bytes()
    promote.main([*words, "--force", "my key is nobody-may-see-this"])
    [version] = versions()
    place = folder("1", tmp_path)
    card = (place / "card.md").read_text()
    assert card.startswith("> **A simulated service taught and judged here")
    assert len(version.description) <= 5000
    assert card.startswith(version.description.partition("\n\n(The rest")[0])
    for said in (
        "keep simulated-teacher",
        "What it would save",
        "## The judge",
        "[SOME_API_KEY]",
        "Apache-2.0",
        "sha256",
        "| r | 8 |",
        f"llamaduo {' '.join(FEW)} tuner.steps=2".replace("baselines=[]", "'baselines=[]'"),
    ):
        assert said in card
    for path in place.rglob("*"):
        if path.is_file():
            assert not path.read_bytes().startswith(b"\x80"), path
            assert path.suffix not in (".pkl", ".bin", ".pt")
            assert b"nobody-may-see" not in path.read_bytes(), path
            assert str(shelf.home).encode() not in path.read_bytes(), path
    assert "nobody-may-see" not in json.dumps(dict(version.tags)) + version.description
    tags = {key.removeprefix("llamaduo."): value for key, value in version.tags.items()}
    assert tags["fingerprint"] == shelf.kept.name
    assert (tags["n"], tags["weights"], tags["simulated"]) == ("16", "adapter", "true")
    assert float(tags["coverage_low"]) <= float(tags["coverage"]) <= float(tags["coverage_high"])
    assert (tags["base"], tags["train_rows"]) == ("llamaduo/tiny-random", "23")
    assert tags["references_sha256"] == file_sha256(place / "references.jsonl")
    assert tags["dtype"] in ("float32", "bfloat16")
    shown = client().get_run(version.run_id).data.tags
    assert shown["llamaduo.fingerprint"] == shelf.kept.name
    assert shown["llamaduo.promoted_adapters"] == tags["adapter"]
    requirements = (place / "requirements.txt").read_text().split()
    assert all("==" in one and "+" not in one for one in requirements)
    assert requirements[0].startswith("llamaduo==")
    assert (shelf.home / ".llamaduo" / "openings" / OPENINGS).read_bytes() == looks


def test_references_that_a_kill_left_half_go_on_to_the_same(
    shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.rmtree(shelf.home / ".llamaduo" / "store" / "references", ignore_errors=True)
    whole = TransformersEngine.answers

    def few(*args: Any, **named: Any) -> Iterator[Answer]:
        yield from islice(whole(*args, **named), 5)
        raise KilledError

    with monkeypatch.context() as patch:
        patch.setattr(TransformersEngine, "answers", few)
        with pytest.raises(KilledError):
            promote.main([shelf.first.name])
    [half] = (shelf.home / ".llamaduo" / "store" / "references").glob("*/draft/rows.jsonl")
    assert half.read_text().count("\n") == 5
    promote.main([shelf.first.name])
    version = folder("1", tmp_path)
    found = {one["id"]: one["text"] for one in references(version)}
    assert len(found) == len(references(version)) == 16

    answering = opened(version / "artifacts")
    on_base = OnBase.model_validate_json((version / "on_base.json").read_bytes())
    base = folder_of(shelf.first.exp.local)
    assert base is not None
    assert on_base.model_dump(include={"quantized", "ends"}) == of_base(
        base, shelf.first.exp.local.end_of_turn
    )
    assert on_base.ends is not None
    assert on_base.family == json.loads((base / "config.json").read_text())["model_type"]
    rows = [row for row in shelf.first.exp.task.place() if row.part == "test"]
    tests = [row.example for row in rows]
    twin = tests[0].model_copy(update={"id": "twin"})
    said = list(answered(answering, [*tests, twin], (), Progress(io.StringIO())))
    assert {one.id: one.text for one in said} == found | {"twin": found[tests[0].id]}
    left = answered(answering, [*tests, twin], said[3:], Progress(io.StringIO()))
    assert sorted(one.id for one in left) == sorted(one.id for one in said[:3])


def test_a_form_that_nobody_judged_or_could_load_is_refused(made: Shelf) -> None:
    exp, place = made.first.exp, made.first.place
    four_bit = exp.model_copy(update={"engine": altered(exp.engine, weights="nf4")})
    with pytest.raises(UsageError, match="is another model, which nobody judged"):
        candidate(four_bit, place, "merged")
    assert candidate(four_bit, place, None).form == "adapter"
    foreign = exp.model_copy(update={"local": Base()})
    with pytest.raises(UsageError, match="toy: a version does not name code of other packages"):
        candidate(foreign, place, "adapter")
    assert candidate(foreign, place, None).form == "merged"


def test_where_no_adapter_is_there_is_nothing_to_promote(made: Shelf, tmp_path: Path) -> None:
    exp = made.first.exp
    place = tmp_path / ".llamaduo" / "runs" / made.first.name
    with pytest.raises(LlamaDuoError, match="it is not finished, and has no verdict"):
        candidate(exp, place, None)
    shutil.copytree(made.first.place, place)
    with pytest.raises(LlamaDuoError, match="is not in the store any more, or damaged"):
        candidate(exp, place, None)
    store = tmp_path / ".llamaduo" / "store"
    bare = Store(store).folder("adapter", ["bare"], lambda work: (work.out / "x").touch())
    result = made.first.result
    last = result.rounds[-1].model_copy(update={"adapter": bare.content})
    said = result.model_copy(update={"rounds": (last,)}).model_dump_json()
    (place / "result.json").write_text(said)
    with pytest.raises(LlamaDuoError, match="the verdict is about the base model as it is"):
        candidate(exp, place, None)
    asked = from_overrides(["tuner=none", "engine=tgi", "engine.service.adapter=x"]).engine
    with pytest.raises(LlamaDuoError, match="an endpoint answered"):
        candidate(exp.model_copy(update={"engine": asked}), place, None)
    parrot = exp.model_copy(update={"engine": Parrot(diary=Diary(), enough=1)})
    with pytest.raises(LlamaDuoError, match="Parrot answered, which a version cannot name"):
        candidate(parrot, place, None)


def test_a_base_of_another_release_is_said() -> None:
    served = Served(form="adapter", base="GoneModel", local={}, engine={}, max_new_tokens=1)
    with pytest.raises(ModelError, match="GoneModel is no kind of base that this llamaduo knows"):
        served.model(Path())


def test_a_login_in_an_address_is_shown_nowhere() -> None:
    said = clean("uri: postgresql://me:word@host/db and https://host/@me")
    assert said == "uri: postgresql://host/db and https://host/@me"


def test_what_cannot_be_promoted_says_why(shelf: Shelf, tmp_path: Path) -> None:
    name = shelf.first.name
    with pytest.raises(UsageError, match="tracker=none registers nothing"):
        promote.main([name, "tracker=none"])
    with pytest.raises(LlamaDuoError, match="does not show it"):
        promote.main([name, f"tracker.uri=sqlite:///{tmp_path}/other.db"])
    with pytest.raises(UsageError, match="--challenger makes no champion"):
        promote.main([name, "--challenger", "--force", "x"])
    with pytest.raises(UsageError, match="--list takes no"):
        promote.main([name, "--list", "--weights", "merged"])
    begun = shelf.home / ".llamaduo" / "runs" / "0123456789abcdef"
    shutil.copytree(shelf.first.place, begun)
    (begun / "result.json").unlink()
    try:
        with pytest.raises(UsageError, match="makes another run now"):
            promote.main(["0123"])
    finally:
        shutil.rmtree(begun)
    with pytest.raises(LlamaDuoError, match="there are no runs in MLflow under"):
        promote.main(["--rollback", f"home={tmp_path}"])


def test_a_version_has_what_its_base_says_tokens_of_prompts_and_their_lengths(
    shelf: Shelf, tmp_path: Path
) -> None:
    promote.main([shelf.first.name])
    version = folder("1", tmp_path)
    with opened_registry(MlflowTracker(), shelf.home) as registry:
        [made] = registry.versions(MODEL)
        held = hold(registry, made, shelf.home)
    assert held.base_answers is not None
    assert [one.id for one in held.base_answers] == [one.id for one in held.references]
    assert all(a.text != b.text for a, b in zip(held.base_answers, held.references, strict=True))
    template = load.template(shelf.first.exp.local)
    assert [one.prompt_tokens for one in held.references] == [
        len(template.prompt(one.messages)) for one in held.references
    ]
    rows = [row for row in shelf.first.exp.task.place() if row.part != "out"]
    counted = sorted(len(template.prompt(row.example.messages)) for row in rows)
    assert held.lengths is not None
    assert (held.lengths.n, held.lengths.longest) == (len(rows), counted[-1])
    assert held.lengths.median == counted[(len(rows) - 1) // 2]
    assert made.tags["llamaduo.base_sha256"] == file_sha256(version / "base.jsonl")
    assert "what the base says to the same prompts" in (version / "card.md").read_text()

    for name in ("base.jsonl", "lengths.json"):
        (held.folder / name).unlink()
    lines = [one | {"prompt_tokens": None} for one in references(version)]
    for one in lines:
        del one["prompt_tokens"]  # as an older llamaduo wrote it
    text = "".join(json.dumps(one) + "\n" for one in lines)
    (held.folder / "references.jsonl").write_text(text)
    with opened_registry(MlflowTracker(), shelf.home) as registry:
        old = hold(registry, made, shelf.home)
    assert (old.base_answers, old.lengths) == (None, None)
    assert {one.prompt_tokens for one in old.references} == {None}
    assert [one.text for one in old.references] == [one.text for one in held.references]


def test_the_next_champion_of_a_served_model_needs_a_probe_that_passed(
    shelf: Shelf, capsys: pytest.CaptureFixture[str]
) -> None:
    promote.main([shelf.first.name])
    client().set_registered_model_tag(MODEL, SERVED, "http://127.0.0.1:8080, 2026-11-23")
    with pytest.raises(LlamaDuoError, match=r"is served .* --challenger` registers it"):
        promote.main([shelf.second.name])
    assert len(versions()) == 1
    promote.main([shelf.second.name, "--challenger"])
    with pytest.raises(LlamaDuoError, match=r"no probe has shown .*`llamaduo probe URL"):
        promote.main([shelf.second.name])
    client().set_model_version_tag(MODEL, "2", PARITY, "failed")
    with pytest.raises(LlamaDuoError, match="champion of ticket_triage/2: its latest probe failed"):
        promote.main([shelf.second.name])
    assert aliases() == {"champion": "1", "challenger": "2"}
    client().set_model_version_tag(MODEL, "2", PARITY, "passed")
    promote.main([shelf.second.name])
    assert aliases() == {"champion": "2"}
    promote.main([shelf.second.name])  # it is champion already
    with pytest.raises(LlamaDuoError, match="is served"):
        promote.main([shelf.first.name])
    capsys.readouterr()
    promote.main([shelf.first.name, "--force", "the second one\nis down"])
    assert "not needed" not in capsys.readouterr().err
    assert aliases() == {"champion": "1"}
    assert versions()[0].tags[UNPROVED].endswith(": the second one is down")
    assert versions()[0].tags["llamaduo.forced"] == "false"  # the verdict is `switch`


def test_a_challenger_that_was_seen_to_answer_is_served_when_it_becomes_champion(
    shelf: Shelf,
) -> None:
    promote.main([shelf.first.name])
    promote.main([shelf.second.name, "--challenger"])
    for tag, value in ((PARITY, "passed"), (f"{PARITY}_url", "http://127.0.0.1:8080")):
        client().set_model_version_tag(MODEL, "2", tag, value)
    assert SERVED not in client().get_registered_model(MODEL).tags
    promote.main([shelf.second.name])
    assert client().get_registered_model(MODEL).tags[SERVED].startswith("http://127.0.0.1:8080, ")
    with pytest.raises(LlamaDuoError, match="is served"):
        promote.main([shelf.first.name])


def test_a_former_champion_that_was_seen_to_answer_is_served_when_it_is_back(
    shelf: Shelf,
) -> None:
    promote.main([shelf.first.name])
    promote.main([shelf.second.name])
    client().set_model_version_tag(MODEL, "1", PARITY, "passed")
    promote.main(["--rollback", "it is better", shelf.first.name])
    assert SERVED in client().get_registered_model(MODEL).tags


def test_a_version_whose_probe_failed_is_no_champion_even_where_nothing_is_served(
    shelf: Shelf,
) -> None:
    promote.main([shelf.first.name])
    promote.main([shelf.second.name, "--challenger"])
    client().set_model_version_tag(MODEL, "2", PARITY, "failed")
    with pytest.raises(LlamaDuoError, match="its latest probe failed"):
        promote.main([shelf.second.name])
