"""What a user types, and what is said about it."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from llamaduo.config import from_overrides
from llamaduo.errors import ConfigError
from llamaduo.experiment import Experiment
from llamaduo.options import EXPERIMENTS, groups, options
from llamaduo.service.chat import ChatService

OWN_SERVER = [
    "service.name=mine",
    "service.model=openai/mine",
    "service.api_base=http://127.0.0.1:8000/v1",
    "service.price.input=0.1",
    "service.price.output=0.1",
    "service.price.as_of=2026-01-01",
    "service.price.source=my own bill",
    "allow_simulated=true",
]

NEEDED = {
    "service=openai_compatible": OWN_SERVER,
    "service=azure": OWN_SERVER,
    "service=bedrock": [one for one in OWN_SERVER if "api_base" not in one],
    "engine=openai_endpoint": ["tuner=none", *(f"engine.{one}" for one in OWN_SERVER[:-1])],
    "engine=tgi": ["tuner=none", "engine.service.adapter=mine"],
    "judge=panel": ["service=gpt"],
}
"""What has to be said beside an option that leaves something open."""


def refused(overrides: Sequence[str]) -> str:
    with pytest.raises(ConfigError) as error:
        from_overrides(list(overrides))
    return str(error.value)


def test_what_tests_start_from_is_what_is_composed_where_they_stand(tiny: Experiment) -> None:
    assert tiny == from_overrides(["experiments=demo_tiny", "tracker=none"])
    assert tiny.home == Path.cwd()


@pytest.mark.parametrize("option", [f"{g}={o}" for g in groups() for o in options(g)])
def test_every_option_builds_a_class_of_its_own_package(option: str) -> None:
    group = option.partition("=")[0]
    extra = NEEDED.get(option, [])
    part = getattr(from_overrides([option, *extra]), group)
    if option == "search=none":
        assert part is None
        return
    assert type(part).__module__.startswith(f"llamaduo.{group}")


@pytest.mark.parametrize("name", options(EXPERIMENTS))
def test_every_experiment_builds_and_leaves_no_stray_node(name: str) -> None:
    changed = from_overrides([f"experiments={name}"])
    assert changed.fingerprint() != from_overrides([]).fingerprint()


def test_every_fault_is_said_at_once_with_the_nearest_name() -> None:
    said = refused(["judge.repeats=0", "+judge.reepats=3", "local=gemma_9b", "tuner.lr=fast"])
    assert "judge.repeats: Input should be greater than or equal to 1 (got 0)" in said
    assert "judge.reepats: no such key; did you mean `repeats`? (got 3)" in said
    assert "local=gemma_9b: no such option; did you mean `gemma_" in said
    assert "tuner.lr: Input should be a valid number" in said
    assert "(got 'fast')" in said


def test_a_fault_of_the_teacher_that_judges_too_is_said_once() -> None:
    said = refused(["service=openai_compatible"])
    assert said.count("service.model: has to be given") == 1
    own = refused(["service@judge.service=openai_compatible"])
    assert "judge.service.model: has to be given" in own


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("lokal=gemma_2b", "lokal: no such key; did you mean `local`?"),
        ("experiments=demoo", "experiments=demoo: no such option; did you mean `demo`?"),
        ("rounds=none", "rounds: Input should be a valid integer"),
        ("task.split.train=0.9", "task.split: train + dev + test is 1.8, and has to be 1"),
        ("task.rows.path=gone.jsonl", "task.rows.path: there is no file"),
        ("tuner.epochs=2", "tuner: give epochs or steps"),
        ("judge.prompt=hello", "the judge would not see {instruction}, {target}, {answer}"),
        ("task.split.nera=0.4", "task.split.nera: no such key; did you mean `near`?"),
        ("service=openai_compatible", "service.model: has to be given"),
        ("service.price=???", "service.price: has to be given; without a price no call is made"),
        ("service.price=null", "service.price: a model without a price is refused"),
        ("service.price.input=null", "service.price.input: a model without a price is refused"),
        ("tuner.lr=1e-4,1e-3", "several values; add -m"),
        ("goal", "goal: not of the form key=value"),
        ("baselines=[untund]", "baselines.0: Input should be 'untuned'"),
        ("workload.months=12", "workload.months: has to be a list, such as [1, 2] (got 12)"),
        ("tracker=null", "tracker=null: chooses nothing; ~tracker takes a choice out"),
    ],
)
def test_the_mistakes_of_a_new_user_are_named(override: str, words: str) -> None:
    extra = ["tuner.steps=3"] if override == "tuner.epochs=2" else []
    assert words in refused([override, *extra])


def test_a_target_outside_a_trusted_package_is_not_even_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "evil.py").write_text("open('was_here', 'w').close()\nclass Check: pass\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    said = refused(["+task.checks.mine={_target_: evil.Check}"])
    assert "'evil.Check' is not of a trusted package and was not imported" in said
    assert not (tmp_path / "was_here").exists()
    assert "evil" not in sys.modules


@pytest.mark.parametrize("target", ["os.getcwd", "llamaduo.component.digest", "llamaduo.nothing.X"])
def test_a_target_that_is_no_component_is_refused(target: str) -> None:
    assert target in refused([f"+task.checks.mine={{_target_: {target}}}"])


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("experiments/evil.yaml", "# @package _global_\nhydra: {callbacks: {x: {y: 1}}}\n"),
        ("experiments/evil.yaml", "# @package hydra.callbacks.x\n_target_: evil.Callback\n"),
        (
            "experiments/evil.yaml",
            "# @package _global_\ndefaults:\n  - /tuner@hydra.callbacks.x: none\n",
        ),
        ("conf/tuner/evil.yaml", "# @package hydra.job_logging\nversion: 1\n"),
    ],
)
def test_a_file_that_would_have_hydra_run_code_is_refused(
    path: str, text: str, tmp_path: Path
) -> None:
    (tmp_path / path).parent.mkdir(parents=True)
    (tmp_path / path).write_text(text)
    group = Path(path).parent.name
    assert "a file may not set `hydra`" in refused([f"{group}=evil"])


def test_options_of_hydras_own_groups_are_not_taken_from_the_working_folder(
    tmp_path: Path,
) -> None:
    (tmp_path / "conf/hydra/launcher").mkdir(parents=True)
    (tmp_path / "conf/hydra/launcher/evil.yaml").write_text("_target_: evil.Launcher\n")
    assert "evil" in refused(["hydra/launcher=evil"])


def test_a_component_of_a_trusted_package_is_built(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "my_checks.py").write_text(
        "from llamaduo.component import Component\n"
        "class Short(Component):\n"
        "    words: int\n"
        "    def passes(self, answer, example):\n"
        "        return len(answer.split()) <= self.words\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    mine = "+task.checks.short={_target_: my_checks.Short, words: 3}"
    built = from_overrides([mine, "trusted=[my_checks]"])
    assert built.task.checks["short"].key()["words"] == 3


def test_a_key_in_a_config_is_refused_and_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-abcd-1234")
    for override in ("service.name=${oc.env:OPENAI_API_KEY}", "samples=sk-abcd-1234"):
        said = refused([override])
        assert "holds what OPENAI_API_KEY holds" in said
        assert "sk-abcd-1234" not in said


def test_a_file_may_not_trust_a_package(tmp_path: Path) -> None:
    (tmp_path / "experiments").mkdir()
    (tmp_path / "experiments/evil.yaml").write_text(
        "# @package _global_\ntrusted: [evil]\ntask: {checks: {x: {_target_: evil.X}}}\n"
    )
    assert "a file may not set `trusted`" in refused(["experiments=evil"])


def test_on_is_a_key_and_no_boolean_in_a_file_too(tmp_path: Path) -> None:
    (tmp_path / "experiments").mkdir()
    (tmp_path / "experiments/mine.yaml").write_text("# @package _global_\njudge:\n  on: test\n")
    assert from_overrides(["experiments=mine"]).judge.on == "test"
    assert from_overrides(["experiments=mine", "judge.on=dev"]).judge.on == "dev"


def test_a_key_below_the_judges_service_changes_that_one_only() -> None:
    built = from_overrides(["service=gpt", "judge.service.price.input=2"])
    judge = built.judge.services[""]
    assert isinstance(judge, ChatService)
    assert isinstance(built.service, ChatService)
    assert (judge.price.input, built.service.price.input) == (2.0, 2.5)


def test_a_component_of_another_group_is_refused() -> None:
    said = refused(["task._target_=llamaduo.tuner.untuned.Untuned"])
    assert "task" in said


def test_the_judge_is_the_teacher_unless_told_otherwise() -> None:
    assert from_overrides([]).judge.name == "simulated-teacher"
    other = from_overrides(["service@judge.service=gpt", "allow_simulated=true"])
    assert (other.service.name, other.judges[0].simulated) == ("simulated-teacher", False)


def test_three_simulated_judges_differ_in_name_and_marks() -> None:
    names = ("simulated", "simulated_strict", "simulated_lenient")
    judges = [from_overrides([f"service@judge.service={name}"]).judge for name in names]
    leans = [judge.services[""].key()["lean"] for judge in judges]
    assert leans == [0, -6, 6]
    assert len({judge.name for judge in judges}) == 3
    assert all("simulated" in judge.name for judge in judges)


GPT_PANEL = ["service=gpt", "judge=panel"]


@pytest.mark.parametrize(
    ("overrides", "members"),
    [
        (GPT_PANEL, ["gpt", "claude", "gemini"]),
        ([*GPT_PANEL, "judge.service=null"], ["gpt", "claude", "gemini"]),
        ([*GPT_PANEL, "~service@judge.members.gpt"], ["claude", "gemini"]),
        ([*GPT_PANEL, "+service@judge.members.a=gpt_4o"], ["gpt", "claude", "gemini", "a"]),
        (["judge=panel_simulated"], ["even", "strict", "lenient"]),
    ],
)
def test_members_of_a_panel_are_put_in_and_taken_out(
    overrides: list[str], members: list[str]
) -> None:
    built = from_overrides(overrides)
    assert list(built.judge.services) == members
    assert len({service.name for service in built.judges}) == len(members)


def test_another_service_sits_in_a_members_place_and_is_set_there() -> None:
    changed = ["service@judge.members.gpt=gpt_4o", "judge.members.gpt.concurrency=2"]
    gpt = from_overrides([*GPT_PANEL, *changed]).judge.services["gpt"]
    assert (gpt.name, gpt.concurrency) == ("gpt-4o-2024-05-13", 2)


def test_a_panels_makers_are_three_and_its_prompt_is_the_one_judges() -> None:
    panel, paper = from_overrides(GPT_PANEL).judge, from_overrides([]).judge
    assert panel.name == "gpt-5.4-2026-03-05 + claude-sonnet-5-5 + gemini-3.8-flash"
    assert panel.key()["prompt"] == paper.key()["prompt"]


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("service@judge.members.gpt=clude", "service=clude: no such option; did you mean `claude`"),
        ("service@judge.members.gpt=claude", "gpt and claude are the same service"),
        ("service@judge.members.gpt=null", "chooses nothing; ~service@judge.members.gpt takes"),
        ("service@judge.members.a=gpt_4o", "use +service@judge.members.a=gpt_4o"),
        ("service@judge.service=gpt", "judge.service: no such key"),
        ("judge.members.gpt.nmae=x", "judge.members.gpt.nmae: no such key; did you mean `name`?"),
        ("service=simulated", "set allow_simulated=true"),
    ],
)
def test_the_mistakes_of_who_sets_up_a_panel_are_named(override: str, words: str) -> None:
    assert words in refused([*GPT_PANEL, override])


def test_a_service_over_a_panel_is_refused_with_its_members() -> None:
    said = refused(["judge=panel_simulated", "service@judge.service=simulated_strict"])
    assert said.splitlines()[1:] == [
        "  judge.service: no such key; a panel has members: even, strict, lenient; "
        "service@judge.members.<name>=... puts another in a member's place (got SimulatedService)"
    ]


def test_a_value_that_no_kind_of_a_union_takes_is_one_fault_at_its_key() -> None:
    either = "servers: Input should be greater than or equal to 1, or 'auto' (got 0)"
    assert refused(["workload.servers=0"]).splitlines()[1:] == [f"  workload.{either}"]
    said = refused(["workload.models=[{name: b, servers: 0}, {name: c, serers: 1}]"])
    assert said.splitlines()[1:] == [
        f"  workload.models.0.{either}",
        "  workload.models.1.serers: no such key; did you mean `servers`? (got 1)",
    ]


def test_a_panel_of_one_is_refused() -> None:
    gone = ["~service@judge.members.gpt", "~service@judge.members.claude"]
    assert "a panel has two members at least, and this one has 1" in refused([*GPT_PANEL, *gone])


def test_a_simulated_and_a_paid_service_do_not_meet_by_accident() -> None:
    assert "allow_simulated=true" in refused(["service@judge.service=gpt"])


def test_the_working_folders_own_options_and_experiments_come_first(tmp_path: Path) -> None:
    (tmp_path / "conf/dedup").mkdir(parents=True)
    (tmp_path / "conf/dedup/minhash.yaml").write_text(
        "_target_: llamaduo.dedup.minhash.Minhash\ncopies: 0.9\nleaks: 0.9\n"
    )
    (tmp_path / "conf/config.yaml").write_text("another: project\n")
    (tmp_path / "experiments").mkdir()
    (tmp_path / "experiments/mine.yaml").write_text("# @package _global_\nrounds: 7\n")
    built = from_overrides(["experiments=mine"])
    assert built.dedup.key()["copies"] == 0.9
    assert built.rounds == 7


def test_limits_and_places_leave_the_fingerprint_and_results_change_it(tmp_path: Path) -> None:
    first = from_overrides([]).fingerprint()
    same = ["rounds=9", "budget_usd=3", f"home={tmp_path}/x", "tracker=none", "workload=heavy"]
    assert from_overrides([*same, "service.concurrency=2"]).fingerprint() == first
    for other in ("seed=1", "samples=2", "judge.repeats=9", "tuner.r=4", "goal.at_least=80"):
        assert from_overrides([other]).fingerprint() != first


def test_one_byte_of_the_coverage_file_makes_another_run(tmp_path: Path) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"instruction": "a", "response": "b"}\n')
    override = [f"task.rows.path={rows}"]
    first = from_overrides(override).fingerprint()
    assert from_overrides(override).fingerprint() == first
    rows.write_text('{"instruction": "a", "response": "c"}\n')
    assert from_overrides(override).fingerprint() != first


def test_composing_and_checking_imports_nothing_heavy() -> None:
    heavy = ("torch", "transformers", "litellm", "mlflow", "trl", "datasets", "matplotlib")
    code = (
        "import sys\n"
        "from llamaduo.config import from_overrides\n"
        "from llamaduo.verbs import help, run\n"
        "from_overrides(['experiments=demo', 'service=simulated'])\n"
        "help.text()\n"
        f"print([name for name in {heavy!r} if name in sys.modules])\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert ran.stdout.strip() == "[]"


def test_a_search_is_taken_out_of_an_experiment_by_choosing_none() -> None:
    assert from_overrides(["experiments=demo_search"]).search is not None
    assert from_overrides(["experiments=demo_search", "search=none"]).search is None
    assert from_overrides(["experiments=demo_tiny"]).search is None


def test_nothing_has_no_settings_but_those_that_an_experiment_left() -> None:
    exp = from_overrides(["experiments=demo_tiny", "tuner=none"])
    assert type(exp.tuner).__name__ == "Untuned"
    with pytest.raises(ConfigError, match=r"tuner\.lr: no such key; tuner=none has no settings"):
        from_overrides(["experiments=demo_tiny", "tuner=none", "tuner.lr=0.1"])


def test_a_group_is_not_taken_out() -> None:
    with pytest.raises(ConfigError, match=r"~search: a group is not taken out; .*search=none"):
        from_overrides(["experiments=demo_search", "~search"])


def test_a_fault_of_a_whole_service_is_said_once_where_the_teacher_judges() -> None:
    with pytest.raises(ConfigError) as error:
        from_overrides(["service=gpt", "service.mode=batch", "service.price.batch=null"])
    [fault] = error.value.faults
    assert fault.startswith("service: mode: batch needs price.batch")
