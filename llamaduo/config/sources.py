"""Where Hydra looks: the user's own `conf/` and `experiments/` first, then ours."""

import re
from pathlib import Path
from typing import Any

from hydra._internal.core_plugins.file_config_source import FileConfigSource
from hydra._internal.sources_registry import SourcesRegistry
from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.object_type import ObjectType
from hydra.core.plugins import Plugins
from hydra.plugins.config_source import ConfigLoadError, ConfigResult, ConfigSource
from hydra.plugins.search_path_plugin import SearchPathPlugin
from omegaconf import DictConfig

from llamaduo.options import EXPERIMENTS, groups, shipped


def _tame(result: ConfigResult) -> ConfigResult:
    """Give a file back unless it could have code run: by `hydra`, or by trusting a package.

    Raises:
        ConfigLoadError: naming the file.
    """
    config: Any = result.config
    keys = [str(key) for key in config] if isinstance(config, DictConfig) else []
    places = [result.header.get("package") or "", *_packages(config.get("defaults") or [])]
    for barred in ("hydra", "trusted"):
        if any(barred in re.split("[.:]", name) for name in [*places, *keys]):
            raise ConfigLoadError(
                f"{result.path}: a file may not set `{barred}`; the command line may"
            )
    return result


def _packages(defaults: Any) -> list[str]:
    """Return where a defaults list puts its choices: what stands behind `@`."""
    entries = [[entry] if isinstance(entry, str) else list(entry) for entry in defaults]
    return [str(name).partition("@")[2].strip() for entry in entries for name in entry]


class Groups(FileConfigSource):
    """A user's `conf/`: options of our groups yes, another project's primary config no."""

    @staticmethod
    def scheme() -> str:
        """Name it for the search path."""
        return "groups"

    def is_config(self, config_path: str) -> bool:
        """Only what stands in a group of ours."""
        known = config_path.partition("/")[0] in groups()
        return known and "/" in config_path and super().is_config(config_path)

    def load_config(self, config_path: str) -> ConfigResult:
        """Load one option."""
        return _tame(super().load_config(config_path))


class Experiments(ConfigSource):
    """One folder, seen as the group `experiments`."""

    def __init__(self, provider: str, path: str) -> None:
        super().__init__(provider, path)
        self.files = FileConfigSource(provider, f"file://{self.path}")

    @staticmethod
    def scheme() -> str:
        """Name it for the search path."""
        return EXPERIMENTS

    def available(self) -> bool:
        """Whether the folder is there."""
        return self.files.available()

    def load_config(self, config_path: str) -> ConfigResult:
        """Load one experiment."""
        return _tame(self.files.load_config(config_path.removeprefix(f"{EXPERIMENTS}/")))

    def is_group(self, config_path: str) -> bool:
        """Whether the path is `experiments` or a folder in it."""
        head, _, rest = config_path.partition("/")
        return head == "" or (head == EXPERIMENTS and self.files.is_group(rest))

    def is_config(self, config_path: str) -> bool:
        """Whether the path is an experiment."""
        head, _, rest = config_path.partition("/")
        return head == EXPERIMENTS and rest != "" and self.files.is_config(rest)

    def list(self, config_path: str, results_filter: ObjectType | None) -> list[str]:
        """List the group, or what is in it."""
        head, _, rest = config_path.partition("/")
        if head == "":
            return [] if results_filter == ObjectType.CONFIG else [EXPERIMENTS]
        return self.files.list(rest, results_filter)


class OwnFirst(SearchPathPlugin):
    """Puts the folders of the working directory before ours."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Add the folders that are there."""
        search_path.append("llamaduo", f"{EXPERIMENTS}://{shipped(EXPERIMENTS)}")
        for scheme, folder in ((EXPERIMENTS, EXPERIMENTS), ("groups", "conf")):
            own = Path.cwd() / folder
            if own.is_dir() and own.resolve() != shipped(folder).resolve():
                search_path.prepend("own", f"{scheme}://{own}")


def register() -> None:
    """Make the sources known to Hydra; before anything is composed."""
    known: Any = SourcesRegistry.instance()
    for source in (Groups, Experiments):
        if source.scheme() not in known.types:
            known.register(source)
    Plugins.instance().register(OwnFirst)
