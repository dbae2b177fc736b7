"""The command line's overrides: what they choose is checked, what they set is passed on."""

from dataclasses import dataclass, field
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, QuotedString
from hydra.errors import HydraException

from llamaduo.errors import UsageError
from llamaduo.options import EXPERIMENTS, check_option, groups, nearest, options

OPEN = ("hydra.launcher.ray.init.", "hydra.launcher.ray.remote.")
"""Mappings of a launcher, to which Hydra adds keys only with `++`; nobody has to know."""


@dataclass
class Checked:
    """Overrides as Hydra should get them, and what is wrong with the rest."""

    good: list[str] = field(default_factory=list)
    swept: dict[str, list[str]] = field(default_factory=dict)
    """Those of `good` that have more than one value: an override for each."""
    faults: list[str] = field(default_factory=list)

    def jobs(self) -> list[list[str]]:
        """Return the overrides of a few jobs of the sweep, each swept value in one of them."""
        count = max((len(values) for values in self.swept.values()), default=1)
        return [
            [values[min(i, len(values) - 1)] for values in map(self._values, self.good)]
            for i in range(count)
        ]

    def _values(self, text: str) -> list[str]:
        return self.swept.get(text, [text])


def check(overrides: list[str], *, sweep: bool) -> Checked:
    """Check every choice of a group against its options, without composing anything.

    A value is passed on as `++key=value`, so that pydantic and not Hydra judges it.
    """
    parser: Any = OverridesParser.create()
    checked = Checked()
    for text in overrides:
        try:
            override = parser.parse_override(text)
            good = _checked(override, text, sweep)
        except HydraException:
            checked.faults.append(f"{text}: not of the form key=value{_meant(text)}")
            continue
        except UsageError as error:
            checked.faults.append(str(error))
            continue
        checked.good.append(good)
        if override.is_sweep_override():
            key = good.partition("=")[0]
            checked.swept[good] = [f"{key}={value}" for value in override.sweep_string_iterator()]
    checked.faults += _of_nothing(checked.good)
    return checked


def _of_nothing(given: list[str]) -> list[str]:
    """Say which keys are set of a group of which `none` is chosen; it has none."""
    pairs = [text.lstrip("+").partition("=")[::2] for text in given]
    nothing = {key for key, value in pairs if value == "none" and key in groups()}
    return [
        f"{key}: no such key; {key.partition('.')[0]}=none has no settings (got {value})"
        for key, value in pairs
        if "." in key and key.partition(".")[0] in nothing
    ]


def _meant(text: str) -> str:
    """Say which choices an option's bare name may stand for, or how to quote."""
    there = [f"`{group}={text}`" for group in [*groups(), EXPERIMENTS] if text in options(group)]
    return f"; did you mean {' or '.join(there)}?" if there else " (quote a value with = , [ {)"


def _checked(override: Override, text: str, sweep: bool) -> str:
    key = str(override.key_or_group)
    if override.is_sweep_override() and not sweep:
        raise UsageError(f"{text}: several values; add -m for one run of each, or quote them")
    known = [*groups(), EXPERIMENTS]
    if key in known:
        for name in _choices(override):
            check_option(key, name)
        if override.is_delete() and override.package is None:
            none = f", such as {key}=none" if "none" in options(key) else ""
            raise UsageError(f"{text}: a group is not taken out; choose another option{none}")
        if override.is_delete():
            return text
        plain = text.lstrip("+")
        if override._value is None:
            place = plain.partition("=")[0]
            raise UsageError(f"{text}: chooses nothing; ~{place} takes a choice out")
        return text if _joins(override) else plain
    if key.startswith("hydra"):
        return f"++{text.lstrip('+')}" if key.startswith(OPEN) else text
    if "/" in key or override.package is not None:
        raise UsageError(f"{text}: there is no group `{key}`{nearest(key, known)}")
    return text if override.is_delete() else f"++{text.lstrip('+')}"


def _joins(override: Override) -> bool:
    """Whether a choice is put beside those there are, as one more member of a panel is."""
    return override.is_add() and str(override.package).startswith("judge.members.")


def _choices(override: Override) -> list[str]:
    """Return the options an override chooses; a sweep chooses several."""
    value = override._value
    if override.is_sweep_override():
        value = list(override.sweep_iterator())
    values = value if isinstance(value, list) else [value]
    return [str(v.text if isinstance(v, QuotedString) else v) for v in values if v is not None]
