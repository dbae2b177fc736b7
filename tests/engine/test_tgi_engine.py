"""The whole loop on a TGI server: who answers is shown first, and every answer is asked once."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from small_world import Diary, Played, experiment, play
from tgi_server import OVERLOADED, TgiServer, seeds, serving

from llamaduo.config import from_overrides
from llamaduo.engine.asked import as_sent
from llamaduo.engine.tgi import PROMPTS, Tgi
from llamaduo.errors import ConfigError, ModelError, ServiceError
from llamaduo.experiment import Experiment
from llamaduo.ledger import Ledger
from llamaduo.local.load import template
from llamaduo.progress import Progress
from llamaduo.stages import Stages
from llamaduo.store import Store
from llamaduo.tuner.untuned import Untuned

ROWS, SAMPLES = 24, 2
"""Prompts of dev and test, and answers to each."""

SHOWN = 2 * 3 * 12
"""Calls that show who answers: dev and test, with the adapter once and without it twice."""


@pytest.fixture
def tgi() -> Iterator[TgiServer]:
    with serving(TgiServer()) as server:
        yield server


def engine(url: str, **changes: Any) -> Tgi:
    chosen = [f"engine.service.{name}={value}" for name, value in changes.items()]
    first = ["tuner=none", "engine=tgi", "local=tiny", f"engine.service.url={url}"]
    made = from_overrides([*first, "engine.service.adapter=triage", *chosen]).engine
    assert isinstance(made, Tgi)
    return made


def exp_with(tiny: Experiment, made: Tgi, **changed: Any) -> Experiment:
    return experiment(
        Path("home").absolute(),
        Diary(),
        **{"engine": made, "tuner": Untuned(), "local": tiny.local, "samples": SAMPLES, **changed},
    )


def said_in(exp: Experiment) -> str:
    """Answer and judge dev. Returns what was said meanwhile."""
    ledger, out = Ledger(exp.home / "l.sqlite"), io.StringIO()
    try:
        stages = Stages(exp, Store(exp.home / "s"), ledger, Progress(out), exp.fingerprint())
        split = stages.split()
        adapter = stages.tune(stages.train(split, []), exp.tuner, split)
        stages.judge("round 0", adapter, split, "dev")
    finally:
        ledger.close()
    return out.getvalue()


def tally(played: Played, stage: str) -> int:
    return sum(t.calls for t in played.result.tallies if t.stage == stage)


def test_every_answer_is_asked_of_the_adapter_with_a_seed_of_its_own(
    tiny: Experiment, tgi: TgiServer
) -> None:
    played = play(exp_with(tiny, engine(tgi.url)))
    asked = [body["parameters"] for body in tgi.sampled()]
    assert len(asked) == ROWS * SAMPLES
    assert {one["adapter_id"] for one in asked} == {"triage"}
    assert {one["temperature"] for one in asked} == {0.4}
    assert all(one["max_new_tokens"] and one["stop"] == ["<|im_end|>"] for one in asked)
    assert len(set(seeds(tgi.sampled()))) == ROWS * SAMPLES
    assert tally(played, "asked") == ROWS * SAMPLES
    assert tally(played, "proof") == SHOWN


def test_what_is_sent_is_token_by_token_the_prompt_that_is_tuned_on(
    tiny: Experiment, tgi: TgiServer
) -> None:
    exp = exp_with(tiny, engine(tgi.url))
    played = play(exp)
    ours = template(exp.local)
    sent = {tuple(ours.tokenizer(body["inputs"])["input_ids"]) for body in tgi.sampled()}
    rows = [row.example for row in played.split if row.part in ("dev", "test")]
    assert sent == {tuple(ours.prompt(row.messages)) for row in rows}


def test_rows_keep_their_own_prompt_beside_the_answer(tiny: Experiment, tgi: TgiServer) -> None:
    played = play(exp_with(tiny, engine(tgi.url)))
    rows = {row.example.id: row.example for row in played.split}
    judged = played.judged["round 0", "test"].rows
    assert all(one.answer.example == rows[one.answer.example.id] for one in judged)
    assert all(one.answer.text.startswith("triage ") for one in judged)


def test_more_samples_keep_the_first_ones(tiny: Experiment, tgi: TgiServer) -> None:
    play(exp_with(tiny, engine(tgi.url)))
    first = seeds(tgi.sampled())
    play(exp_with(tiny, engine(tgi.url), samples=SAMPLES + 1))
    assert len(tgi.sampled()) == ROWS * (SAMPLES + 1), "the first ones are remembered"
    assert len({*first, *seeds(tgi.sampled())}) == ROWS * (SAMPLES + 1)


def test_a_seed_hangs_on_seed_prompt_and_number_and_not_on_the_order_of_calls(
    tiny: Experiment,
) -> None:
    with serving(TgiServer()) as server:
        address = server.url
        play(exp_with(tiny, engine(address, concurrency=1)))
        one = {(body["inputs"], body["parameters"]["seed"]) for body in server.sampled()}
        (Path("home") / "ledger.sqlite").rename("kept.sqlite")
        (Path("home") / "store").rename("kept")
        server.sent.clear()
        play(exp_with(tiny, engine(address, concurrency=9)))
        two = {(body["inputs"], body["parameters"]["seed"]) for body in server.sampled()}
    assert one == two


def test_before_the_first_answer_it_is_said_that_the_adapter_is_live(
    tiny: Experiment, tgi: TgiServer
) -> None:
    said = said_in(exp_with(tiny, engine(tgi.url)))
    assert (
        f"TGI 3.3.5 at {tgi.url} serves llamaduo/tiny-random; the adapter is live: 12 of 12 "
        "greedy answers with adapter 'triage' differ from those without; 0 do between two times "
        "without"
    ) in said
    assert said.index("is live") < said.index("answer: 24 answers")
    proof = tgi.sent[: SHOWN // 2]
    assert [body["parameters"].get("adapter_id") for body in proof].count("triage") == 12 < PROMPTS
    assert not any(body["parameters"]["do_sample"] for body in proof)


def test_an_adapter_that_tgi_does_not_know_is_refused_and_no_answer_is_taken(
    tiny: Experiment, tgi: TgiServer
) -> None:
    tgi.adapters = {"another"}
    with pytest.raises(ModelError, match=r"0 of 12 greedy answers .*LORA_ADAPTERS=triage=/its/f"):
        play(exp_with(tiny, engine(tgi.url)))
    assert not tgi.sampled()


def test_once_the_server_has_the_adapter_the_same_command_goes_on(
    tiny: Experiment, tgi: TgiServer
) -> None:
    tgi.adapters = set()
    exp = exp_with(tiny, engine(tgi.url))
    with pytest.raises(ModelError):
        play(exp)
    tgi.adapters = {"triage"}
    assert play(exp).result.test is not None


def test_a_base_that_wavers_does_not_pass_for_an_adapter(tiny: Experiment, tgi: TgiServer) -> None:
    tgi.adapters, tgi.wavers = set(), 2
    with pytest.raises(ModelError, match=r"[1-9]\d* do between two times without"):
        play(exp_with(tiny, engine(tgi.url)))


def test_another_model_than_the_local_one_is_refused(tiny: Experiment, tgi: TgiServer) -> None:
    tgi.model_id = "/models/tiny"
    with pytest.raises(ModelError, match=r"serves /models/tiny, not llamaduo/tiny-random: start"):
        play(exp_with(tiny, engine(tgi.url)))
    play(exp_with(tiny, engine(tgi.url, model_id="/models/tiny")))


def test_a_merged_model_is_asked_without_an_adapter(tiny: Experiment, tgi: TgiServer) -> None:
    tgi.model_id = "/models/merged"
    merged = engine(tgi.url, adapter="null", model_id="/models/merged")
    assert "serves /models/merged; no adapter is asked for" in said_in(exp_with(tiny, merged))
    assert len(tgi.sent) == len(tgi.sampled()) == 12 * SAMPLES
    assert not any("adapter_id" in body["parameters"] for body in tgi.sent)


def test_a_server_that_is_overloaded_is_asked_again(tiny: Experiment, tgi: TgiServer) -> None:
    tgi.canned += [OVERLOADED] * 5
    played = play(exp_with(tiny, engine(tgi.url, backoff=0.001)))
    assert len(tgi.sent) == SHOWN + ROWS * SAMPLES + 5
    assert {t.stage: t.outcomes for t in played.result.tallies}["asked"] == {"ok": ROWS * SAMPLES}


def test_a_prompt_that_is_too_long_stays_in_the_count_without_an_answer(
    tiny: Experiment, tgi: TgiServer
) -> None:
    tgi.too_long = "row1"  # and row10 to row19
    played = play(exp_with(tiny, engine(tgi.url)))
    judged = [*played.judged["round 0", "dev"].rows, *played.judged["round 0", "test"].rows]
    lost = [one.answer for one in judged if one.answer.finish == "none"]
    assert len(judged) == ROWS * SAMPLES
    assert 0 < len(lost) < ROWS * SAMPLES
    assert {answer.example.question.startswith("row1") for answer in lost} == {True}
    assert all("must be <= 64" in answer.why for answer in lost)


def test_after_a_stop_in_between_no_answer_is_asked_for_again(
    tiny: Experiment, tgi: TgiServer
) -> None:
    tgi.after = 9
    exp = exp_with(tiny, engine(tgi.url, concurrency=1))
    with pytest.raises(ServiceError, match="401"):
        play(exp)
    answered = tgi.sampled()[:9]
    tgi.sent.clear()
    tgi.after = None
    play(exp)
    again = [body for body in tgi.sampled() if body in answered]
    assert not again
    assert len(tgi.sampled()) + 9 == ROWS * SAMPLES
    calls = len(tgi.sent)
    play(exp)
    assert len(tgi.sent) == calls


def test_what_the_local_model_lays_out_differently_is_another_result(tiny: Experiment) -> None:
    made = engine("http://127.0.0.1:1")
    other = tiny.local.model_copy(update={"template": "x"})  # type: ignore[attr-defined]
    exp = exp_with(tiny, made)
    assert exp.fingerprint() != exp_with(tiny, made, local=other).fingerprint()


def test_a_chat_is_sent_as_it_is_to_a_server_that_lays_it_out(tiny: Experiment) -> None:
    chosen = ["engine.service.name=ours", "engine.service.model=openai/ours"]
    chosen += ["engine.service.api_base=http://127.0.0.1:1/v1"]
    price = "engine.service.price={input: 0, output: 0, as_of: 2026-01-31, source: ours}"
    how = from_overrides(["tuner=none", "engine=openai_endpoint", *chosen, price]).engine.asked
    assert how is not None
    rows = [row.example for row in tiny.task.place()[:2]]
    assert as_sent(rows, how, tiny.local) == rows


def test_an_adapter_has_to_be_named_and_nothing_is_tuned_beside_it() -> None:
    with pytest.raises(ConfigError, match=r"engine\.service\.adapter: has to be given"):
        from_overrides(["tuner=none", "engine=tgi"])
    with pytest.raises(ConfigError, match=r"choose tuner=none .*engine=tgi, the adapter it was"):
        from_overrides(["engine=tgi", "engine.service.adapter=triage"])


def test_the_report_says_which_adapter_answered_and_where() -> None:
    made = engine("http://127.0.0.1:1")
    assert made.asked.where == "triage at http://127.0.0.1:1"
    assert made.asked.service.name == "tiny-random-tgi"
    assert made.service.stop == "<|im_end|>"
