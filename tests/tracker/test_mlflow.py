"""What MLflow is given: one run a fingerprint, a nested one a round, and all that went into it."""

import hashlib
import json
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest
from conftest import Finished
from mlflow.tracking import MlflowClient

import llamaduo
from llamaduo.component import file_sha256
from llamaduo.cost import project
from llamaduo.findings import Round
from llamaduo.records import Answer, Example, Judgement, Message
from llamaduo.tracker.mlflow import MlflowTracker
from llamaduo.tracker.shown import MlflowRun

OPEN = """
import sys
from pathlib import Path
from llamaduo.tracker.mlflow import MlflowTracker
from llamaduo.tracker.shown import MlflowRun
run = MlflowTracker().open(
    home=Path(sys.argv[1]), fingerprint="f1", task="t", name="n", params={"a": "1"},
    tags={"llamaduo.kind": "loop", "llamaduo.fingerprint": "f1"},
)
print(run.id)
run.leave()
"""


@pytest.fixture(scope="module")
def client(finished: Finished) -> MlflowClient:
    return MlflowClient(tracking_uri=f"sqlite:///{finished.home}/mlruns/mlflow.db")


def runs(client: MlflowClient, kind: str) -> list[Any]:
    experiment = client.get_experiment_by_name("llamaduo/ticket_triage")
    return list(
        client.search_runs(
            [experiment.experiment_id],
            filter_string=f"tags.`llamaduo.kind` = '{kind}'",
            order_by=["tags.`llamaduo.round` ASC"],
        )
    )


def test_a_run_has_one_parent_and_a_nested_run_for_each_round(
    client: MlflowClient, finished: Finished
) -> None:
    [parent] = runs(client, "loop")
    rounds = runs(client, "round")
    assert parent.info.run_name == (
        f"tiny-random <- simulated-teacher n=23 {finished.result.fingerprint[:6]}"
    )
    assert parent.info.status == "FINISHED"
    assert parent.data.tags["llamaduo.verdict"] == finished.result.decision.verdict
    assert parent.data.tags["llamaduo.simulated"] == "true"
    assert [run.data.tags["llamaduo.round"] for run in rounds] == ["0", "1"]
    assert {run.data.tags["mlflow.parentRunId"] for run in rounds} == {parent.info.run_id}


def test_params_are_what_makes_the_result_and_no_limit(client: MlflowClient) -> None:
    [parent] = runs(client, "loop")
    params = parent.data.params
    assert (params["tuner.r"], params["judge.repeats"], params["seed"]) == ("8", "2", "42")
    assert not {"rounds", "budget_usd", "home"} & set(params)


def figure(round_: Round, name: str) -> float | None:
    return {
        "judge/coverage": round_.assessment.coverage.value,
        "judge/unjudged": round_.assessment.unjudged,
        "data/train_rows": round_.train_rows,
        "tune/steps": round_.training.steps,
    }[name]


def test_metrics_have_a_step_for_each_round(client: MlflowClient, finished: Finished) -> None:
    [parent] = runs(client, "loop")
    for name in ("judge/coverage", "judge/unjudged", "data/train_rows", "tune/steps"):
        history = client.get_metric_history(parent.info.run_id, name)
        shown = [(metric.step, metric.value) for metric in history]
        assert shown == [(r.number, figure(r, name)) for r in finished.result.rounds], name
    assert finished.result.test is not None
    assert parent.data.metrics["test/coverage"] == finished.result.test.coverage.value


def test_the_costs_of_both_ways_have_a_step_for_each_month(
    client: MlflowClient, finished: Finished
) -> None:
    [parent] = runs(client, "loop")
    projection = project(finished.exp.workload)
    service = client.get_metric_history(parent.info.run_id, "cost/service_usd")
    assert [(m.step, m.value) for m in service] == list(
        zip(projection.months, projection.service_usd, strict=True)
    )
    assert parent.data.metrics["cost/break_even_month"] == projection.break_even_month


def test_a_round_holds_its_rows_its_judgements_and_its_adapter(
    client: MlflowClient, finished: Finished, tmp_path: Path
) -> None:
    for run, round_ in zip(runs(client, "round"), finished.result.rounds, strict=True):
        got = Path(client.download_artifacts(run.info.run_id, "", str(tmp_path)))
        rows = pyarrow.parquet.read_table(got / "data/train.parquet")
        assert rows.num_rows == round_.train_rows
        judged = pyarrow.parquet.read_table(got / "judge/judgements.parquet").to_pylist()
        assert len(judged) == round_.assessment.answers
        assert sum(row["similarity"] is None for row in judged) == round_.assessment.unjudged
        shown = json.loads((got / "judge/judgements.json").read_text())
        assert len(shown["data"]) == len(judged)
        assert (got / "adapter/adapter_model.safetensors").stat().st_size > 0


def test_a_data_set_is_known_by_the_sha256_of_its_rows(
    client: MlflowClient, finished: Finished
) -> None:
    [parent] = runs(client, "loop")
    known = {i.dataset.name: json.loads(i.dataset.source) for i in parent.inputs.dataset_inputs}
    store = finished.home / ".llamaduo/store/train"
    there = {file_sha256(path) for path in store.glob("*/out/rows.jsonl")}
    for round_ in finished.result.rounds:
        assert known[f"train-round-{round_.number}"] == {"sha256": round_.train}
        assert round_.train in there


def test_the_report_and_its_figures_are_kept_with_the_run(client: MlflowClient) -> None:
    [parent] = runs(client, "loop")
    names = {file.path for file in client.list_artifacts(parent.info.run_id, "report")}
    wanted = {"report.md", "result.json", "coverage.png", "scores.png", "cost.png"}
    assert {f"report/{name}" for name in wanted} <= names


def test_a_run_has_the_config_that_made_it_and_no_place_of_this_machine(
    client: MlflowClient, finished: Finished, tmp_path: Path
) -> None:
    [parent] = runs(client, "loop")
    got = Path(client.download_artifacts(parent.info.run_id, "config.yaml", str(tmp_path)))
    assert got.read_text() == (finished.place / "config.yaml").read_text()
    names = {file.path for file in client.list_artifacts(parent.info.run_id, "report")}
    assert "report/config.yaml" not in names, "it is there once"


def test_a_config_is_shown_without_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_API_KEY", "abcdefgh-12345678")
    opened = MlflowTracker().open(
        home=tmp_path, fingerprint="f", task="t", name="n", params={}, tags={}
    )
    config = tmp_path / "config.yaml"
    config.write_text("prompt: abcdefgh-12345678\n")
    opened.begin(config, {})
    opened.leave()
    got = opened.client.download_artifacts(opened.id, "config.yaml", str(tmp_path))
    assert Path(got).read_text() == "prompt: [MY_API_KEY]\n"


def test_dev_and_test_are_inputs_by_the_sha256_of_their_rows(
    client: MlflowClient, finished: Finished
) -> None:
    [parent] = runs(client, "loop")
    found = {one.dataset.name: one for one in parent.inputs.dataset_inputs}
    placed = [
        json.loads(line)
        for line in next((finished.home / ".llamaduo/store/split").glob("*/out/rows.jsonl"))
        .read_text()
        .split("\n")[:-1]
    ]
    for part in ("dev", "test"):
        rows = [Example.model_validate(row["example"]) for row in placed if row["part"] == part]
        lines = "".join(row.model_dump_json() + "\n" for row in rows)
        sha256 = hashlib.sha256(lines.encode()).hexdigest()
        assert json.loads(found[part].dataset.source) == {"sha256": sha256}
        assert json.loads(found[part].dataset.profile) == {"rows": len(rows)}
        assert found[part].tags[0].value == part


def test_the_judgements_on_the_test_are_a_table_to_browse_by_model(
    client: MlflowClient, finished: Finished, tmp_path: Path
) -> None:
    [parent] = runs(client, "loop")
    got = Path(client.download_artifacts(parent.info.run_id, "test", str(tmp_path)))
    table = json.loads((got / "judgements.json").read_text())
    rows = pyarrow.parquet.read_table(got / "judgements.parquet").to_pylist()
    assert table["columns"][:3] == ["model", "id", "category"]
    assert [row[0] for row in table["data"]] == [row["model"] for row in rows][:200]
    assert {row["model"] for row in rows} >= {"round 1", "untuned"}
    for run, path in ((parent, "test/judgements.json"), (runs(client, "round")[0], "judge/")):
        [shown] = json.loads(run.data.tags["mlflow.loggedArtifacts"])
        assert shown["type"] == "table"
        assert shown["path"].startswith(path)


def test_the_runs_page_says_the_verdict_and_shows_its_table(
    client: MlflowClient, finished: Finished
) -> None:
    [parent] = runs(client, "loop")
    note = parent.data.tags["mlflow.note.content"]
    assert note.startswith(f"# ticket_triage: {finished.result.decision.verdict}\n")
    assert "| untuned |" in note
    assert "](" not in note.replace("](http", ""), "no picture that is not there"
    assert len(note) <= 5000


def test_a_round_has_what_its_tuning_logged_of_every_step(
    client: MlflowClient, finished: Finished
) -> None:
    for run, round_ in zip(runs(client, "round"), finished.result.rounds, strict=True):
        of = run.info.run_id
        losses = [m.value for m in client.get_metric_history(of, "tune/step_loss")]
        assert len(losses) == round_.training.steps
        assert round_.training.loss == pytest.approx(sum(losses[-10:]) / len(losses[-10:]), 1e-5)
        for name in ("tune/learning_rate", "tune/grad_norm"):
            history = client.get_metric_history(of, name)
            assert [m.step for m in history] == list(range(1, round_.training.steps + 1))


def samples(client: MlflowClient, run: str) -> int:
    return len(client.get_metric_history(run, "system/process_memory_megabytes"))


def test_a_run_is_sampled_while_it_makes_something_and_no_thread_is_left(
    client: MlflowClient, finished: Finished
) -> None:
    [parent] = runs(client, "loop")
    assert samples(client, parent.info.run_id) >= 2
    assert {"system/process_cpu_percentage", "system/cpu_utilization_percentage"} <= set(
        parent.data.metrics
    )
    before = 0
    for seconds in (0.0, 2.5):  # the second time it is sampled, and nothing new is shown
        before = samples(client, parent.info.run_id)
        opened = finished.exp.tracker.open(
            home=finished.home,
            fingerprint=finished.exp.fingerprint(),
            task=finished.exp.task.name,
            name=parent.info.run_name,
            params={},
            tags={},
        )
        time.sleep(seconds)
        opened.finish(finished.result, project(finished.exp.workload), finished.place, test={})
    assert samples(client, parent.info.run_id) == before
    assert not [thread for thread in threading.enumerate() if thread.name == "machine"]


def test_a_run_is_labelled_by_what_it_can_be_found_by(
    client: MlflowClient, finished: Finished
) -> None:
    [parent] = runs(client, "loop")
    tags = parent.data.tags
    assert tags["llamaduo.tuner"] == "Qlora"
    assert tags["llamaduo.goal"] == "60 %"
    assert tags["llamaduo.version"] == llamaduo.__version__
    assert tags["llamaduo.judge"] == finished.exp.judge.name
    assert tags["llamaduo.stopped"] == finished.result.stopped
    assert tags["mlflow.user"]


def test_what_is_shown_again_adds_nothing(client: MlflowClient, finished: Finished) -> None:
    [parent] = runs(client, "loop")
    exp = finished.exp
    run = exp.tracker.open(
        home=finished.home,
        fingerprint=exp.fingerprint(),
        task=exp.task.name,
        name=parent.info.run_name,
        params={},
        tags={},
    )
    run.round(finished.result.rounds[0], train=[], adapter=finished.place, judgements=[])
    run.finish(finished.result, project(exp.workload), finished.place, test={})
    assert isinstance(run, MlflowRun)
    assert not run.late
    assert len(runs(client, "loop")) == 1
    assert len(runs(client, "round")) == 2
    assert len(client.get_metric_history(parent.info.run_id, "cost/service_usd")) == len(
        project(exp.workload).months
    )


def test_a_round_that_was_begun_or_has_other_dollars_is_shown_once(
    tmp_path: Path, finished: Finished
) -> None:
    opened = MlflowTracker().open(
        home=tmp_path, fingerprint="f", task="ticket_triage", name="n", params={}, tags={}
    )
    round_ = finished.result.rounds[0]
    row = Example(id="1", messages=(Message(role="user", content="hi"),), target="yes")
    judged = Judgement(answer=Answer(example=row, text="yes"), score=None)
    tags = {"mlflow.parentRunId": opened.id, "llamaduo.round": "0", "llamaduo.kind": "round"}
    opened.client.create_run(opened.book.experiment, run_name="round 0", tags=tags)  # and killed
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    for usd in (1.0, 2.0):
        shown = round_.model_copy(update={"usd": usd})
        opened.round(shown, train=[row], adapter=adapter, judgements=[judged])
    opened.leave()
    [nested] = runs(opened.client, "round")
    assert nested.info.status == "FINISHED"
    assert nested.data.metrics["cost/api_usd"] == 2.0


def test_a_run_that_ends_in_an_error_says_so(tmp_path: Path) -> None:
    opened = MlflowTracker().open(
        home=tmp_path,
        fingerprint="f",
        task="t",
        name="n",
        params={"odd [name]": "x" * 7000},
        tags={},
    )
    opened.fail(ValueError("the disk is full"))
    run = opened.client.get_run(opened.id)
    assert run.info.status == "FAILED"
    assert run.data.tags["llamaduo.error"] == "ValueError: the disk is full"
    assert len(run.data.params["odd _name_"]) == 6000


def test_a_run_that_goes_on_to_its_end_has_no_error(
    finished: Finished, client: MlflowClient
) -> None:
    exp = finished.exp
    opened = MlflowTracker().open(
        home=finished.home,
        fingerprint=exp.fingerprint(),
        task=exp.task.name,
        name="again",
        params={"late": "yes"},
        tags={},
    )
    opened.fail(KeyboardInterrupt())
    assert "llamaduo.error" in client.get_run(opened.id).data.tags
    opened.finish(finished.result, project(exp.workload), finished.place, test={})
    run = client.get_run(opened.id)
    assert (run.info.status, run.data.params["late"]) == ("FINISHED", "yes")
    assert "llamaduo.error" not in run.data.tags


def test_two_processes_that_begin_with_no_database_share_one_run(tmp_path: Path) -> None:
    command = [sys.executable, "-c", OPEN, str(tmp_path)]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = [child.communicate(timeout=120)[0].split() for child in both]
    assert [child.returncode for child in both] == [0, 0]
    assert len(said[0]) == 1
    assert said[0] == said[1]
