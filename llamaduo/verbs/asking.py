"""What the verbs share that ask a served copy: its address, how calls are paid, who judges."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from llamaduo.errors import UsageError

if TYPE_CHECKING:
    from llamaduo.desk import Desk
    from llamaduo.experiment import Experiment
    from llamaduo.ledger import Ledger
    from llamaduo.service import Service
    from llamaduo.verbs.versioned import Versioned


def address(words: Sequence[str], verb: str) -> tuple[str | None, list[str]]:
    """Return the URL among the words, if there is one, and the other words.

    Raises:
        UsageError: for several, or one with a password in it.
    """
    from llamaduo.secrets import address as checked
    from llamaduo.secrets import without_secrets

    urls = [word for word in words if word.startswith(("http://", "https://"))]
    if len(urls) > 1:
        said = without_secrets(", ".join(urls))
        raise UsageError(f"{verb}: one server at a time, not {len(urls)}: {said}")
    try:
        url = checked(urls[0]) if urls else None
    except ValueError as error:
        raise UsageError(f"{verb}: URL: {error}") from None
    return url, [word for word in words if word not in urls]


def desk_of(found: "Versioned", ledger: "Ledger", service: "Service", stage: str) -> "Desk":
    """Return the way to ask `service` on behalf of the run that a version is of, without a limit.

    Args:
        stage: what the ledger calls the calls.
    """
    from llamaduo.component import digest
    from llamaduo.desk import Desk

    version = found.held.version
    run = version.tags.get("llamaduo.fingerprint", "")
    recipe = f"{stage}/{digest(stage, version.name, version.number)}"
    return Desk(ledger=ledger, service=service, recipe=recipe, run=run, seed=0, budget=None)


def experiment_of(found: "Versioned", words: Sequence[str]) -> "Experiment":
    """Compose the run that a version is of, from the version's own config.

    A `budget_usd=` on the command line takes the place of the run's.

    Raises:
        LlamaDuoError: if it cannot be built here.
    """
    from llamaduo.config.stored import of_version
    from llamaduo.promotion.version import CONFIG

    exp = of_version(found.held.folder / CONFIG, found.exp)
    if any(word.startswith("budget_usd=") for word in words):
        exp = exp.model_copy(update={"budget_usd": found.exp.budget_usd})
    return exp


def paying(desk: "Desk", exp: "Experiment", stage: str) -> "Desk":
    """Return a desk for calls that cost something: within the budget of the version's run."""
    recipe = f"{stage}/{desk.recipe.partition('/')[2]}"
    return replace(desk, recipe=recipe, seed=exp.seed, budget=exp.budget_usd)
