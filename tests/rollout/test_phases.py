"""What the gateway is told in each phase, and what a user may set."""

import json
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from llamaduo.config import from_overrides
from llamaduo.errors import ConfigError, LlamaDuoError, UsageError
from llamaduo.promotion.held import Held
from llamaduo.promotion.served import Served
from llamaduo.rollout import PHASES, Phase
from llamaduo.rollout.gateway import GATEWAY, config, text, variables
from llamaduo.rollout.phase import Local, against, asked_of, begin
from llamaduo.rollout.settings import FILE, Settings, read
from llamaduo.rollout.state import Asked, Checked, Step, locked
from llamaduo.rollout.state import checked as add
from llamaduo.rollout.state import read as state_of
from llamaduo.rollout.state import write as write_state
from llamaduo.serving.endpoint import Endpoint
from llamaduo.tracker.mlflow import MlflowTracker
from llamaduo.tracker.registry import Version

ROOT = Path(__file__).parents[2]
ASKED = Asked(
    name="gpt",
    model="openai/gpt-x",
    key_env="A_API_KEY",
    usd_per_million=(2, 8),
    as_of=date(2026, 11, 1),
    source="a test",
    timeout=60,
)
HERE = Endpoint(engine="tgi", url="http://tgi:80", model="triage", base="tgi", key_env="TGI_KEY")
DEPLOYMENT = {
    "type": "object",
    "required": ["model_name", "litellm_params", "model_info"],
    "additionalProperties": False,
    "properties": {
        "model_name": {"enum": ["triage", "triage-local", "triage-escalated", "triage-fallback"]},
        "model_info": {"required": ["id"]},
        "litellm_params": {
            "required": ["model", "timeout", "input_cost_per_token", "output_cost_per_token"],
            "additionalProperties": False,
            "properties": {
                "model": {"pattern": "^[a-z_]+/"},
                "api_base": {"pattern": "^http"},
                "api_key": {"pattern": "^(os.environ/[A-Z_]+|none)$"},
                "weight": {"type": "integer", "minimum": 1},
                "silent_model": {"const": "triage-local"},
                "timeout": {"type": "number"},
                "input_cost_per_token": {"type": "number"},
                "output_cost_per_token": {"type": "number"},
                "drop_params": {"const": True},
                "additional_drop_params": {"type": "array"},
            },
        },
    },
}


def step(phase: Phase, share: float = 1.0) -> Step:
    return Step(number=3, phase=phase, at="2026-11-24T00:00:00+00:00", by="me", share=share)


def made(phase: Phase, share: float = 1.0, **given: Any) -> dict[str, Any]:
    """The config of a phase, written and read again."""
    local = HERE if phase in ("shadow", "canary", "cutover") else None
    rules = Settings.model_validate(given)
    one = step(phase, share)
    values: dict[str, Any] = yaml.safe_load(text(config("triage", ASKED, local, rules, one), one))
    return values


def answering(values: dict[str, Any]) -> dict[str, tuple[str, Any]]:
    """Each deployment of the name that clients ask for: what it asks, and its weight."""
    return {
        one["model_info"]["id"]: (
            one["litellm_params"]["model"],
            one["litellm_params"].get("weight"),
        )
        for one in values["model_list"]
        if one["model_name"] == "triage"
    }


@pytest.mark.parametrize("phase", PHASES)
def test_every_phase_is_yaml_of_litellm_s_shape_and_names_keys_only(phase: Phase) -> None:
    values = made(phase, 0.25, escalate=[{"name": "vip", "tag": "vip"}])
    for deployment in values["model_list"]:
        jsonschema.validate(deployment, DEPLOYMENT)
    assert values["general_settings"] == {"master_key": "os.environ/LITELLM_MASTER_KEY"}
    assert values["litellm_settings"] == {"callbacks": "capture.proxy_handler_instance"}
    assert answering(values), "clients never change the name they ask for"
    ids = [one["model_info"]["id"] for one in values["model_list"]]
    assert len(set(ids)) == len(ids) and all(one.startswith(f"3-{phase}-") for one in ids)


def test_who_answers_is_what_the_phase_says() -> None:
    service, here = "openai/gpt-x", "openai/triage"
    assert answering(made("capture")) == {"3-capture-service": (service, None)}
    assert answering(made("shadow", 0.1)) == {
        "3-shadow-service": (service, 900),
        "3-shadow-mirrored": (service, 100),
    }
    assert answering(made("shadow", 1)) == {"3-shadow-mirrored": (service, 1000)}
    assert answering(made("canary", 0.2)) == {
        "3-canary-service": (service, 800),
        "3-canary-local": (here, 200),
    }
    assert answering(made("cutover")) == {"3-cutover-local": (here, None)}
    assert answering(made("rollback")) == {"3-rollback-service": (service, None)}


def test_only_the_mirrored_deployment_copies_and_only_to_the_local_group() -> None:
    copies = [
        one["model_info"]["id"]
        for one in made("shadow", 0.1)["model_list"]
        if "silent_model" in one["litellm_params"]
    ]
    assert copies == ["3-shadow-mirrored"]


@pytest.mark.parametrize("phase", PHASES)
def test_where_calls_are_escalated_to_is_there_before_any_rule_is(phase: Phase) -> None:
    names = [one["model_name"] for one in made(phase, 0.5)["model_list"]]
    assert names.count("triage-escalated") == 1


@pytest.mark.parametrize("phase", PHASES)
def test_fallbacks_are_plain_and_there_where_the_local_model_answers(phase: Phase) -> None:
    router = made(phase, 0.5)["router_settings"]
    expected = [{"triage": ["triage-fallback"]}] if phase in ("canary", "cutover") else None
    assert router.get("fallbacks") == expected
    assert "context_window_fallbacks" not in router


def test_every_key_of_rollout_yaml_reaches_the_gateway() -> None:
    rule = {"name": "vip", "tag": "vip"}
    values = made("cutover", retries=2, allowed_fails=7, cooldown=9, escalate=[rule])
    router = values["router_settings"]
    assert (router["num_retries"], router["allowed_fails"]) == (2, 7)
    assert router["cooldown_time"] == 9


def test_calls_are_counted_at_the_service_s_price_and_free_here() -> None:
    prices = {
        one["model_info"]["id"]: (
            one["litellm_params"]["input_cost_per_token"],
            one["litellm_params"]["output_cost_per_token"],
        )
        for one in made("canary", 0.5)["model_list"]
    }
    paid = (2e-6, 8e-6)
    assert prices == {
        "3-canary-service": paid,
        "3-canary-local": (0, 0),
        "3-canary-escalated": paid,
        "3-canary-fallback": paid,
    }


def test_no_openai_model_has_params_dropped_since_a_422_would_then_be_answered_with_null() -> None:
    for phase in PHASES:
        for one in made(phase, 0.5)["model_list"]:
            assert "drop_params" not in one["litellm_params"]
    other = ASKED.model_copy(update={"model": "anthropic/claude"})
    [one, _] = config("triage", other, None, Settings(), step("capture"))["model_list"]
    assert one["litellm_params"]["drop_params"] is True


@pytest.mark.parametrize(("engine", "dropped"), [("tgi", True), ("vllm", False)])
def test_tgi_alone_has_what_it_misreads_dropped(engine: str, dropped: bool) -> None:
    local = HERE.model_copy(update={"engine": engine})
    [here, *_] = config("triage", ASKED, local, Settings(), step("cutover"))["model_list"]
    given = here["litellm_params"].get("additional_drop_params")
    assert given == (["presence_penalty", "n", "logit_bias"] if dropped else None)


def test_a_service_at_an_address_is_never_sent_another_s_key() -> None:
    bare = ASKED.model_copy(update={"key_env": None, "api_base": "http://x/v1"})
    values = config("triage", bare, HERE, Settings(), step("cutover"))
    assert {one["litellm_params"]["api_key"] for one in values["model_list"]} == {
        "none",
        "os.environ/TGI_KEY",
    }
    assert variables(values) == ["LITELLM_MASTER_KEY", "TGI_KEY"]


def test_a_cloud_s_credentials_go_to_the_gateway_each_under_its_own_name() -> None:
    keys = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION_NAME")
    bedrock = ASKED.model_copy(update={"model": "bedrock/x", "key_env": keys})
    values = config("triage", bedrock, None, Settings(), step("shadow"))
    for one in values["model_list"]:
        given = one["litellm_params"]
        assert "api_key" not in given
        assert [given[key.lower()] for key in keys] == [f"os.environ/{key}" for key in keys]
    assert set(keys) < set(variables(values))


def test_azures_api_has_its_date_at_the_gateway_too() -> None:
    azure = ASKED.model_copy(update={"model": "azure/x", "api_version": "2024-10-21"})
    values = config("triage", azure, None, Settings(), step("shadow"))
    assert {one["litellm_params"]["api_version"] for one in values["model_list"]} == {"2024-10-21"}


def test_the_settings_begin_as_the_file_says_and_every_key_is_in_it(tmp_path: Path) -> None:
    assert read(tmp_path) == Settings()
    said = (tmp_path / FILE).read_text()
    assert all(re.search(rf"^{key}: ", said, re.MULTILINE) for key in Settings.model_fields)
    shown = said.replace("escalate: []", "#").replace("# escalate:", "escalate:")
    (tmp_path / FILE).write_text(shown.replace("\n#   -", "\n  -"))
    assert [rule.name for rule in read(tmp_path).escalate] == ["long", "legal", "by-hand"]


FAULTS = {
    "retires: 1": "retires: no such key; did you mean `retries`",
    "retries: 9": "retries: Input should be less than or equal to 5",
    "escalate: [{name: a}]": "goes by one of prompt_tokens_over, matches and tag; this one by none",
    "escalate: [{name: a, tag: x, matches: y}]": "by matches and tag",
    "escalate: [{name: a, matches: '('}]": "no regular expression",
    "escalate: [{name: a, tag: x}, {name: a, tag: y}]": "two rules are called a",
    "- 1": "keys with values are wanted",
    "a: [": "cannot be read",
}


@pytest.mark.parametrize("line", FAULTS)
def test_faults_of_the_settings_are_said_by_key(line: str, tmp_path: Path) -> None:
    (tmp_path / FILE).write_text(line)
    with pytest.raises(ConfigError, match=re.escape(FAULTS[line])):
        read(tmp_path)


def held(tags: dict[str, str], number: str = "1") -> Held:
    version = Version(name="triage", number=number, run="r", tags=tags, aliases=("champion",))
    served = Served(form="adapter", base="HubModel", local={}, engine={}, max_new_tokens=8)
    return Held(version, Path(), served, ())


def here(number: str = "1", **tags: str) -> Local:
    return Local(held(tags, number), HERE, "merged", "bfloat16", MlflowTracker(), Path())


def checked(folder: Path, verdict: Any) -> None:
    """Put down what a check of the current step said."""
    state = state_of(folder)
    assert state is not None
    said = Checked(number=state.current.number, verdict=verdict, at="now")
    write_state(folder, state.model_copy(update={"checks": (*state.checks, said)}))


def go(phase: Phase, folder: Path, local: Local | None = None, **given: Any) -> Any:
    asked: dict[str, Any] = {"service": ASKED, "share": None, "force": None, **given}
    return begin(phase, "triage", folder, local=local, **asked)


def test_a_phase_writes_all_that_the_gateway_needs_and_no_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("A_API_KEY", "svc-secret-0123456789")
    done = go("shadow", tmp_path, here(), share=0.3)
    names = {path.name for path in tmp_path.iterdir()}
    papers = {"litellm.shadow.yaml", "capture.py", "capture.json", ".env.example", "README.md"}
    assert names == papers | {"state.json", "rollout.yaml", "lock"}
    for path in tmp_path.iterdir():
        assert "svc-secret" not in path.read_text()
    said = (tmp_path / ".env.example").read_text()
    assert all(f"{name}=\n" in said for name in done.variables)
    assert "litellm --config litellm.shadow.yaml" in (tmp_path / "README.md").read_text()
    state = json.loads((tmp_path / "state.json").read_text())
    assert [(one["phase"], one["share"], one["version"]) for one in state["steps"]] == [
        ("shadow", 0.3, "1")
    ]


def test_canary_wants_a_probe_and_a_checked_shadow_of_the_same_version(tmp_path: Path) -> None:
    go("shadow", tmp_path, here())
    with pytest.raises(LlamaDuoError, match=r"has not been shown to answer(.|\n)*shadow of"):
        go("canary", tmp_path, here())
    checked(tmp_path, "hold")
    with pytest.raises(LlamaDuoError, match="shadow of version 1 has not been checked"):
        go("canary", tmp_path, here(**{"llamaduo.parity": "passed"}))
    checked(tmp_path, "advance")
    with pytest.raises(LlamaDuoError, match="has not been shown to answer"):
        go("canary", tmp_path, here())
    with pytest.raises(LlamaDuoError, match="shadow of version 2"):
        go("canary", tmp_path, here("2", **{"llamaduo.parity": "passed"}))
    state = state_of(tmp_path)
    assert state is not None and len(state.steps) == 1, "what was refused was not begun"


def test_a_check_that_says_go_back_or_a_rollback_takes_back_what_was_passed(
    tmp_path: Path,
) -> None:
    passed = here(**{"llamaduo.parity": "passed"})
    go("shadow", tmp_path, passed)
    checked(tmp_path, "advance")
    state = state_of(tmp_path)
    assert state is not None and state.passed("shadow", "1")
    checked(tmp_path, "go back")
    state = state_of(tmp_path)
    assert state is not None and not state.passed("shadow", "1")
    checked(tmp_path, "advance")
    go("rollback", tmp_path, service=None)
    with pytest.raises(LlamaDuoError, match="since the last rollback"):
        go("canary", tmp_path, passed)


def test_a_rollback_that_comes_while_a_check_judges_stays(tmp_path: Path) -> None:
    passed = here(**{"llamaduo.parity": "passed"})
    step = go("shadow", tmp_path, passed).step
    go("rollback", tmp_path, service=None)
    add(tmp_path, Checked(number=step.number, verdict="advance", at="now"))
    state = state_of(tmp_path)
    assert state is not None and [one.phase for one in state.steps] == ["shadow", "rollback"]
    assert [one.number for one in state.checks] == [1]
    with pytest.raises(LlamaDuoError, match="since the last rollback"):
        go("canary", tmp_path, passed)


def test_nothing_is_begun_between_another_s_look_at_the_state_and_its_writing(
    tmp_path: Path,
) -> None:
    with ThreadPoolExecutor(1) as pool:
        with locked(tmp_path):
            begun = pool.submit(go, "capture", tmp_path)
            with pytest.raises(TimeoutError):
                begun.result(0.5)
        assert begun.result(30).step.number == 1


def test_what_is_said_to_type_next_has_all_that_was_typed(tmp_path: Path) -> None:
    typed = ["home=a b", "serving=tgi_l4", "--into", "mine"]
    go("shadow", tmp_path, here(), typed=typed)
    said = (tmp_path / "README.md").read_text()
    assert "llamaduo rollout check triage 'home=a b' serving=tgi_l4 --into mine\n" in said
    with pytest.raises(LlamaDuoError) as refused:
        go("canary", tmp_path, here(), typed=typed)
    words = str(refused.value)
    assert "`llamaduo probe http://tgi:80 triage/1 'home=a b' serving=tgi_l4` shows it" in words
    assert "`llamaduo rollout shadow triage 'home=a b' serving=tgi_l4 --into mine`" in words
    assert "canary triage 'home=a b' serving=tgi_l4 --into mine --force \"reason\"" in words


def test_a_phase_at_another_address_than_the_one_before_it_is_refused(tmp_path: Path) -> None:
    passed = here(**{"llamaduo.parity": "passed"})
    go("shadow", tmp_path, passed)
    checked(tmp_path, "advance")
    moved = HERE.model_copy(update={"url": "http://127.0.0.1:8080", "key_env": None})
    said = r"shadow asked triage at http://tgi:80 \(tgi, with TGI_KEY\), and this would ask triage"
    with pytest.raises(LlamaDuoError, match=said):
        go("canary", tmp_path, replace(passed, endpoint=moved))
    state = state_of(tmp_path)
    assert state is not None and state.current.endpoint == HERE
    assert against(state, "canary", passed) == []


def test_going_back_needs_nothing_but_the_folder(tmp_path: Path) -> None:
    go("capture", tmp_path)
    done = go("rollback", tmp_path, service=None)
    values = yaml.safe_load(done.config.read_text())
    assert {one["litellm_params"]["model"] for one in values["model_list"]} == {"openai/gpt-x"}


def test_a_simulated_service_stands_behind_no_gateway(tmp_path: Path) -> None:
    assert asked_of(from_overrides([]).service) is None
    with pytest.raises(UsageError, match="who is the service"):
        go("capture", tmp_path, service=None)


@pytest.mark.parametrize(
    ("phase", "given", "said"),
    [
        ("capture", {"share": 0.1}, "takes no --share"),
        ("capture", {"force": " "}, "needs a reason"),
    ],
)
def test_what_makes_no_sense_is_refused(
    phase: Phase, given: dict[str, Any], said: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=said):
        go(phase, tmp_path, **given)


@pytest.mark.parametrize("share", [0, -1, 1.1, float("nan")])
def test_a_share_is_a_share(share: float, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"--share is in 0\.001 to 1"):
        go("shadow", tmp_path, here(), share=share)


def test_a_folder_is_of_one_model(tmp_path: Path) -> None:
    go("capture", tmp_path)
    with pytest.raises(UsageError, match="is of triage, not other"):
        begin("capture", "other", tmp_path, service=ASKED, local=None, share=None, force=None)


def test_a_state_that_cannot_be_read_is_said_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "state.json").write_text("{")
    with pytest.raises(LlamaDuoError, match=r"state\.json cannot be read"):
        go("capture", tmp_path)


def test_a_probe_of_another_engine_shows_nothing_of_this_one(tmp_path: Path) -> None:
    go("shadow", tmp_path, here())
    checked(tmp_path, "advance")
    tags = {"llamaduo.parity": "passed", "llamaduo.parity_engine": "vllm"}
    with pytest.raises(LlamaDuoError, match="when tgi serves it"):
        go("canary", tmp_path, here(**tags))


@pytest.mark.parametrize(
    "other", [{"parity_engine": "vllm"}, {"parity_form": "adapter"}, {"parity_dtype": "fp8"}]
)
def test_a_probe_opens_only_what_is_served_as_it_was_probed(
    other: dict[str, str], tmp_path: Path
) -> None:
    go("shadow", tmp_path, here())
    checked(tmp_path, "advance")
    as_here = {"parity_engine": "tgi", "parity_form": "merged", "parity_dtype": "bfloat16"}

    def probed(**tags: str) -> Local:
        return here(
            **{f"llamaduo.{key}": value for key, value in {"parity": "passed", **tags}.items()}
        )

    with pytest.raises(LlamaDuoError, match="when tgi serves it, merged in bfloat16"):
        go("canary", tmp_path, probed(**as_here | other))
    state = state_of(tmp_path)
    assert state is not None
    assert not against(state, "canary", probed(**as_here))


def test_the_gateway_that_is_installed_is_the_one_the_configs_were_tried_with() -> None:
    pinned = (ROOT / "docker/gateway/constraints.txt").read_text().split()
    assert GATEWAY.replace("[proxy]", "") in pinned
