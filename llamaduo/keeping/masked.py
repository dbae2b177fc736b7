"""Rows as calls have them where a run hid values: with placeholders for what was found."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from pydantic import ValidationError

from llamaduo import runs
from llamaduo.keeping.needles import Needles
from llamaduo.keeping.persons import config
from llamaduo.privacy import Privacy
from llamaduo.privacy.finder import Finder
from llamaduo.privacy.hidden import in_no_order


def with_masked(home: Path, needles: Callable[[str], Needles]) -> Callable[[str], Needles]:
    """Return needles that also know each text as a run of this home would have sent it.

    The rest of a row tells of a person too. A text is masked as `in_no_order` has it: the number
    of a placeholder depends on what else was in the request.
    """
    said = [_privacy(place) for place in runs.places(home)]
    finders = {Finder(one.kinds("redact"), one.phones) for one in said if one.kinds("redact")}
    if not finders:
        return needles

    def of(run: str) -> Needles:
        known = needles(run)
        masked = {in_no_order(text, finder) for text in known.texts for finder in finders}
        return replace(known, texts=tuple(sorted({*known.texts, *masked})))

    return of


def _privacy(place: Path) -> Privacy:
    """Return what a run hid; all there is, where what it says cannot be read."""
    said = config(place).get("privacy", {})
    try:
        return Privacy.model_validate({k: v for k, v in said.items() if k != "_target_"})
    except ValidationError:
        return Privacy(personal_data="redact", secrets="redact")
