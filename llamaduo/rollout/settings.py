"""What a user may set of a rollout: `rollout.yaml` in its folder, written once, then theirs."""

import re
from pathlib import Path
from typing import Any

import yaml
from pydantic import Field, ValidationError, field_validator, model_validator

from llamaduo.component import Component
from llamaduo.errors import ConfigError
from llamaduo.options import nearest

FILE = "rollout.yaml"

FIRST = """\
# How the gateway behaves, in every phase. Written once and never again: edit it, and give the
# command of the phase once more.
retries: 0          # tries again of a call that met 429, 5xx or no connection; each makes a caller
                    # wait about 2 s more before the service answers in the local model's place
allowed_fails: 3    # failed calls a minute after which a model is left alone; 422 does not count
cooldown: 30        # seconds that it is left alone; its calls go to the service meanwhile
escalate: []        # calls that go to the service whatever the phase; the first rule that fits:
# escalate:
#   - {name: long, prompt_tokens_over: 900}    # more tokens than this, by litellm's tokenizer
#   - {name: legal, matches: "(?i)lawyer|sue"} # what a user or an earlier answer says fits this
#   - {name: by-hand, tag: complaints}         # the caller sends metadata: {"tags": ["complaints"]}
"""


class Rule(Component):
    """Which calls go to the service whatever the phase: exactly one of three ways to say so."""

    name: str = Field(pattern=r"^[\w.-]{1,40}$")
    """What `rollout check` counts it as."""
    prompt_tokens_over: int | None = Field(None, ge=0)
    """More tokens than this in all turns, counted by litellm's own tokenizer."""
    matches: str | None = Field(None, min_length=1)
    """A regular expression that fits somewhere in a turn, system turns left out."""
    tag: str | None = Field(None, min_length=1)
    """A tag that the caller sends with the call."""

    @field_validator("matches")
    @classmethod
    def _is_one(cls, matches: str | None) -> str | None:
        try:
            re.compile(matches or "")
        except re.error as error:
            raise ValueError(f"no regular expression: {error}") from None
        return matches

    @model_validator(mode="after")
    def _says_one_thing(self) -> "Rule":
        given = [way for way in ("prompt_tokens_over", "matches", "tag") if self._has(way)]
        if len(given) != 1:
            raise ValueError(
                "a rule goes by one of prompt_tokens_over, matches and tag; this one by "
                f"{' and '.join(given) or 'none'}"
            )
        return self

    def _has(self, way: str) -> bool:
        return getattr(self, way) is not None


class Settings(Component):
    """The keys of `rollout.yaml`."""

    retries: int = Field(0, ge=0, le=5)
    """Tries again of a call, by the gateway, before it counts as failed."""
    allowed_fails: int = Field(3, ge=0)
    """Failed calls a minute after which a deployment cools down."""
    cooldown: float = Field(30, ge=0)
    """Seconds that it is not asked then."""
    escalate: tuple[Rule, ...] = ()
    """Rules in the order they are tried."""

    @model_validator(mode="after")
    def _names_differ(self) -> "Settings":
        names = [rule.name for rule in self.escalate]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"escalate: two rules are called {twice[0]}")
        return self


def read(folder: Path) -> Settings:
    """Return the settings of a folder; the first time, write the file with those it begins with.

    Raises:
        ConfigError: with every fault of the file.
    """
    path = folder / FILE
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        path.write_text(FIRST, encoding="utf-8")
    try:
        values: Any = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise ConfigError(f"{path} cannot be read: {' '.join(str(error).split())}") from None
    if not isinstance(values, dict):
        raise ConfigError(f"{path} cannot be read: keys with values are wanted")
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        raise ConfigError(f"{path} cannot be used:", [_fault(e) for e in error.errors()]) from None


def _fault(error: Any) -> str:
    where = ".".join(map(str, error["loc"])) or "escalate"
    if error["type"] == "extra_forbidden":
        known = Rule.model_fields if len(error["loc"]) > 1 else Settings.model_fields
        return f"{where}: no such key{nearest(str(error['loc'][-1]), known)}"
    return f"{where}: {error['msg'].removeprefix('Value error, ')}"
