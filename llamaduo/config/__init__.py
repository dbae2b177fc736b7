"""The only package that knows Hydra: overrides in, checked `Experiment` out."""

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import hydra
from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.plugins import Plugins
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from llamaduo.config.build import build
from llamaduo.config.overrides import Checked, check
from llamaduo.config.sources import register
from llamaduo.errors import ConfigError
from llamaduo.experiment import Experiment
from llamaduo.options import shipped
from llamaduo.secrets import without_secrets

__all__ = [
    "check_one",
    "check_sweep",
    "composed",
    "experiment",
    "from_overrides",
    "job_number",
    "launch",
    "launch_sweep",
    "launchers",
    "plain",
    "sweep_dir",
    "task_overrides",
    "values",
]


def from_overrides(overrides: list[str]) -> Experiment:
    """Compose and check one experiment, for a verb that is no sweep.

    Raises:
        ConfigError: with every fault there is, in one message.
    """
    return check_one(check(overrides, sweep=False))


def check_one(checked: Checked) -> Experiment:
    """Compose and build; faults of choices and of values come together.

    Raises:
        ConfigError: with every fault there is, in one message.
    """
    return _built(checked.good, checked.faults)


def check_sweep(checked: Checked) -> list[Experiment]:
    """Check what the jobs of a sweep have in common, and return what some of them are.

    A fault that only some jobs have is left to them, and the others run. Looked at are as
    many jobs as the longest list of values has; every value is in one of them.

    Raises:
        ConfigError: with every fault that all jobs have, in one message.
    """
    refused: list[ConfigError] = []
    made: list[Experiment] = []
    jobs = checked.jobs()
    for overrides in jobs:
        try:
            made.append(_built(overrides, checked.faults))
        except ConfigError as error:
            refused.append(error)
    first = refused[0].faults if len(refused) == len(jobs) else checked.faults
    shared = [fault for fault in first if all(fault in error.faults for error in refused)]
    if shared:
        raise ConfigError("no job of this sweep can run:", shared)
    return made


def _built(overrides: list[str], faults: list[str]) -> Experiment:
    return build(composed(overrides, faults), faults)


def composed(overrides: list[str], faults: Sequence[str] = ()) -> Mapping[str, Any]:
    """Return what checked overrides make, as plain data.

    Raises:
        ConfigError: with `faults`, where they make nothing.
    """
    register()
    GlobalHydra.instance().clear()
    try:
        with initialize_config_dir(str(shipped("conf")), version_base="1.3"):
            config = compose("config", overrides=overrides)
        return plain(config)
    except (HydraException, OmegaConfBaseException) as error:
        words = [*faults, " ".join(str(error).split())]
        raise ConfigError("the config cannot be composed:", words) from None


def experiment(config: DictConfig) -> Experiment:
    """Build the experiment of a config that Hydra composed for a job.

    Raises:
        ConfigError: with every fault there is, in one message.
    """
    return build(values(config))


def values(config: DictConfig) -> Mapping[str, Any]:
    """Return the config that Hydra composed for a job as plain data.

    Raises:
        ConfigError: for an interpolation that leads nowhere.
    """
    try:
        return plain(config)
    except OmegaConfBaseException as error:
        raise ConfigError(f"the config cannot be resolved: {error}") from None


def plain(config: DictConfig) -> Mapping[str, Any]:
    """Return the config as plain data: interpolations resolved, `home` absolute.

    A judge that names no service of its own is judged by the service that teaches. It is
    put in here and not by an interpolation: Hydra would merge another choice into that.
    """
    found = OmegaConf.to_container(config, resolve=True)
    assert isinstance(found, dict)
    found.pop("hydra", None)
    if isinstance(found.get("home"), str):
        found["home"] = Path(found["home"]).expanduser().absolute()
    judge, service = found.get("judge"), found.get("service")
    if isinstance(judge, dict) and True in judge:  # how YAML 1.1 reads the key `on`
        judge.setdefault("on", judge.pop(True))
    if isinstance(judge, dict) and "members" in judge:
        if judge.get("service", ...) is None:  # a panel has no service beside its members
            del judge["service"]
    elif isinstance(judge, dict) and isinstance(service, dict):
        own = judge.get("service")
        if own is None or (isinstance(own, dict) and "_target_" not in own):
            judge["service"] = _merged(service, own or {})
    return {str(key): value for key, value in found.items()}


def _merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Return `base` with the keys of `over` put in, at any depth."""
    found = dict(base)
    for key, value in over.items():
        both = isinstance(value, Mapping) and isinstance(found.get(key), Mapping)
        found[key] = _merged(found[key], value) if both else value
    return found


def launch(arguments: list[str], job: Callable[[DictConfig], None]) -> None:
    """Hand the command line to Hydra, which calls `job` once, or once for each of a sweep."""
    register()
    GlobalHydra.instance().clear()
    sys.argv = ["llamaduo", *arguments]
    hydra.main(version_base="1.3", config_path=str(shipped("conf")), config_name="config")(job)()


def launch_sweep(arguments: list[str], job: Callable[[DictConfig], None]) -> str:
    """Hand a sweep to Hydra's launcher; returns what broke it, or nothing.

    Not what ends a job, which it writes down itself, but a worker that is killed, a queue
    that takes no job. Hydra would print its own frames and end the process.

    Raises:
        ConfigError: for settings of the launcher that there are not.
    """
    before = os.environ.get("HYDRA_FULL_ERROR")
    os.environ["HYDRA_FULL_ERROR"] = "1"
    try:
        launch(arguments, job)
    except (HydraException, OmegaConfBaseException) as error:
        raise ConfigError("the sweep cannot be launched:", [" ".join(str(error).split())]) from None
    except Exception as error:
        return without_secrets(f"{type(error).__name__}: {error}")
    finally:
        if before is None:
            del os.environ["HYDRA_FULL_ERROR"]
        else:
            os.environ["HYDRA_FULL_ERROR"] = before
    return ""


def launchers() -> list[str]:
    """Return the names of the launchers that are installed."""
    Plugins.instance()  # finds them
    there = ConfigStore.instance().repo["hydra"]["launcher"]
    return sorted(name.removesuffix(".yaml") for name in there)


def job_number() -> int | None:
    """Return the number of this job in its sweep; None outside one."""
    config = HydraConfig.get()
    return int(config.job.num) if config.mode == RunMode.MULTIRUN else None


def sweep_dir() -> Path:
    """Return the folder of the sweep this job belongs to."""
    return Path(HydraConfig.get().sweep.dir)


def task_overrides() -> list[str]:
    """Return the overrides of this job, as they were handed to Hydra."""
    return [str(word) for word in HydraConfig.get().overrides.task]
