"""What a sweep is called, what its jobs differ in, and what its launcher is told."""

import pytest

from llamaduo.config import launchers as installed
from llamaduo.config.overrides import check
from llamaduo.errors import UsageError
from llamaduo.sweep import launchers, plan

THERE = ["basic", "joblib", "ray", "submitit_local", "submitit_slurm"]


def test_the_same_command_is_the_same_sweep_however_it_is_launched() -> None:
    first = plan.identity(["seed=1,2", "tuner.r=4"])
    assert first.name == "seed=1,2 tuner.r=4"
    other = ["hydra/launcher=ray", "tuner.r=4", "++hydra.launcher.ray.init.num_cpus=2", "seed=1,2"]
    assert plan.identity(other).id == first.id
    assert plan.identity(["seed=1,3", "tuner.r=4"]).id != first.id


def test_jobs_are_known_by_what_is_swept_alone_in_hydras_order() -> None:
    words = ["service=gpt", "tuner.lr=1e-4,1e-3", "home=there", "seed=range(1,3)", "tuner.lr=1,2"]
    words += ["hydra/launcher=joblib"]
    assert plan.differing(check(words, sweep=True)) == (
        ("tuner.lr=1", "seed=1"),
        ("tuner.lr=1", "seed=2"),
        ("tuner.lr=2", "seed=1"),
        ("tuner.lr=2", "seed=2"),
    )


def test_values_in_an_order_of_chance_are_drawn_once() -> None:
    checked = check(["seed=shuffle(1,2,3,4,5)", "task.name='a,b','c'", "rounds=2"], sweep=True)
    seeds, names, rounds = plan.spelled_out(checked)
    assert seeds.startswith("++seed=") and sorted(seeds[7:].split(",")) == list("12345")
    assert (names, rounds) == ("++task.name='a,b','c'", "++rounds=2")
    assert [job[0] for job in plan.differing(checked)[::2]] == [
        f"seed={seed}" for seed in seeds[7:].split(",")
    ]


def test_the_launchers_of_the_extras_are_found() -> None:
    assert set(THERE) <= set(installed())


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("joblib", 'joblib is not installed: pip install "llamaduo[sweep]"'),
        ("submitit_slurm", 'pip install "llamaduo[slurm]"'),
        ("ray", 'pip install "llamaduo[ray]"'),
        ("jobliib", "no such launcher; did you mean `joblib`?"),
        ("ray_aws", "hydra.launcher.ray.init.address=HOST:PORT"),
    ],
)
def test_a_launcher_that_is_not_there_is_said_with_what_to_type(word: str, said: str) -> None:
    with pytest.raises(UsageError) as refused:
        launchers.chosen([f"hydra/launcher={word}"], ["basic"])
    assert said in str(refused.value)


@pytest.mark.parametrize("word", ["hydra/sweeper=optuna", "hydra.sweeper.params.seed=1"])
def test_other_sweepers_are_refused(word: str) -> None:
    with pytest.raises(UsageError, match="search=qlora"):
        launchers.chosen([word], THERE)


def test_ray_is_started_here_without_dashboard_or_its_workers_lines() -> None:
    typed = ["seed=1,2", "hydra.launcher.ray.init.num_cpus=2"]
    words = launchers.told("ray", check(typed, sweep=True).good)
    assert "++hydra.launcher.ray.init.num_cpus=2" in words
    assert "++hydra.launcher.ray.init.include_dashboard=false" in words
    assert "++hydra.launcher.ray.init.log_to_driver=false" in words


def test_a_ray_cluster_is_told_of_no_store_of_its_own() -> None:
    words = launchers.told("ray", ["+hydra.launcher.ray.init.address=10.0.0.1:6379"])
    assert "++hydra.launcher.ray.init.object_store_memory=null" in words
    assert not any("dashboard" in word for word in words)


def test_what_the_user_says_of_a_launcher_stands() -> None:
    there = ["hydra.launcher.timeout_min=5"]
    assert launchers.told("submitit_local", there) == there
    assert launchers.told("submitit_local", []) == ["++hydra.launcher.timeout_min=10080"]


@pytest.mark.parametrize(
    ("launcher", "words", "elsewhere", "cards"),
    [
        ("joblib", [], False, False),
        ("submitit_local", [], False, False),
        ("submitit_slurm", [], True, True),
        ("ray", [], False, False),
        ("ray", ["hydra.launcher.ray.remote.num_gpus=1"], False, True),
        ("ray", ["+hydra.launcher.ray.init.address=auto"], True, True),
        ("ray", ["hydra.launcher.ray.init.address=local"], False, False),
    ],
)
def test_where_jobs_run_and_who_hands_out_gpus(
    launcher: str, words: list[str], elsewhere: bool, cards: bool
) -> None:
    assert launchers.on_other_machines(launcher, words) is elsewhere
    assert launchers.hands_out_cards(launcher, words) is cards
