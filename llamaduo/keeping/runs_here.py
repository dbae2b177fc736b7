"""The runs under a home, each with what it rests on, or why that cannot be known."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from llamaduo import runs
from llamaduo.errors import LlamaDuoError
from llamaduo.experiment import Experiment
from llamaduo.keeping.calls import opened
from llamaduo.keeping.needs import Needs, needs
from llamaduo.ledger import Ledger

Build = Callable[[Path], Experiment]
"""Makes the experiment of a run again from its folder."""


NOTHING = Needs(frozenset(), False)


@dataclass(frozen=True)
class Here:
    """A run."""

    place: Path
    """Its folder."""
    needs: Needs
    """Empty where `why` is not."""
    why: str
    """Why what it rests on cannot be known; empty where it is."""

    @property
    def name(self) -> str:
        """Its fingerprint."""
        return self.place.name


def runs_here(home: Path, build: Build, given_up: Sequence[Path] = ()) -> list[Here]:
    """Walk every run under `home`, but for those that are given up."""
    private = home / ".llamaduo"
    places = [place for place in runs.places(home) if place not in given_up]
    with opened(home) as ledger:
        if ledger is None:
            gone = "there is no ledger under home any more, and its run may have paid calls"
            return [Here(place, NOTHING, f"{place.name}: {gone}") for place in places]
        return [_here(place, build, private, ledger) for place in places]


def _here(place: Path, build: Build, private: Path, ledger: Ledger) -> Here:
    try:
        return Here(place, needs(build(place), private, ledger), "")
    except LlamaDuoError as error:
        return Here(place, NOTHING, str(error))
    except Exception as error:  # of a component of one's own, or a result that cannot be read
        return Here(place, NOTHING, f"{place.name}: {type(error).__name__}: {error}")


def changed(home: Path) -> tuple[tuple[str, int], ...]:
    """Return a mark of the runs under `home` that is another once a run has been started."""
    return tuple(
        (place.name, config.stat().st_mtime_ns if config.exists() else 0)
        for place in runs.places(home)
        for config in [place / runs.CONFIG]
    )
