"""The only package that knows Hydra: overrides in, checked `Experiment` out."""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import hydra
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
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

__all__ = [
    "check_all",
    "experiment",
    "from_overrides",
    "job_number",
    "launch",
    "plain",
    "sweep_dir",
]


def from_overrides(overrides: list[str]) -> Experiment:
    """Compose and check one experiment, for a verb that is no sweep.

    Raises:
        ConfigError: with every fault there is, in one message.
    """
    return check_all(check(overrides, sweep=False))


def check_all(checked: Checked) -> Experiment:
    """Compose and build what is not swept; faults of choices and of values come together.

    Raises:
        ConfigError: with every fault there is, in one message.
    """
    register()
    once = [text for text in checked.good if text not in checked.swept]
    GlobalHydra.instance().clear()
    try:
        with initialize_config_dir(str(shipped("conf")), version_base="1.3"):
            config = compose("config", overrides=once)
        values = plain(config)
    except (HydraException, OmegaConfBaseException) as error:
        words = [*checked.faults, " ".join(str(error).split())]
        raise ConfigError("\n  ".join(["the config cannot be composed:", *words])) from None
    return build(values, checked.faults)


def experiment(config: DictConfig) -> Experiment:
    """Build the experiment of a config that Hydra composed for a job.

    Raises:
        ConfigError: with every fault there is, in one message.
    """
    try:
        values = plain(config)
    except OmegaConfBaseException as error:
        raise ConfigError(f"the config cannot be resolved: {error}") from None
    return build(values)


def plain(config: DictConfig) -> Mapping[str, Any]:
    """Return the config as plain data: interpolations resolved, `home` absolute.

    A judge that names no service of its own is judged by the service that teaches. It is
    put in here and not by an interpolation: Hydra would merge another choice into that.
    """
    values = OmegaConf.to_container(config, resolve=True)
    assert isinstance(values, dict)
    values.pop("hydra", None)
    if isinstance(values.get("home"), str):
        values["home"] = Path(values["home"]).expanduser().absolute()
    judge, service = values.get("judge"), values.get("service")
    if isinstance(judge, dict) and isinstance(service, dict):
        own = judge.get("service")
        if own is None or (isinstance(own, dict) and "_target_" not in own):
            judge["service"] = {**service, **(own or {})}
    return {str(key): value for key, value in values.items()}


def launch(arguments: list[str], job: Callable[[DictConfig], None]) -> None:
    """Hand the command line to Hydra, which calls `job` once, or once for each of a sweep."""
    register()
    GlobalHydra.instance().clear()
    sys.argv = ["llamaduo", *arguments]
    hydra.main(version_base="1.3", config_path=str(shipped("conf")), config_name="config")(job)()


def job_number() -> int | None:
    """Return the number of this job in its sweep; None outside one."""
    config = HydraConfig.get()
    return int(config.job.num) if config.mode == RunMode.MULTIRUN else None


def sweep_dir() -> Path:
    """Return the folder of the sweep this job belongs to."""
    return Path(HydraConfig.get().sweep.dir)
