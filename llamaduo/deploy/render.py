"""What `llamaduo serve --render DIR` writes: a folder that containers serve a version from.

compose.yaml, compose.probe.yaml, .env.example, README.md
litellm.yaml, prometheus.yml, grafana/
models/NAME/
"""

import re
from collections.abc import Sequence
from pathlib import Path

from llamaduo.deploy import compose, gateway, metrics, model_folder, readme, variables
from llamaduo.deploy.given import given as given_of
from llamaduo.deploy.stack import Engine, Stack
from llamaduo.errors import UsageError
from llamaduo.progress import Progress
from llamaduo.promotion.held import Held
from llamaduo.serving import Given, Serving

MODELS = "models"
MARK = "Written by llamaduo serve --render"


def render(
    held: Held,
    serving: Serving,
    into: Path,
    *,
    weights: bool = True,
    words: Sequence[str] = (),
    progress: Progress,
) -> list[Path]:
    """Write the folder, and return its files. What it wrote before is written over; `.env` stays.

    Args:
        weights: False leaves `models/` to a machine that has them; what is there stays.
        words: the key=value that chose both, for the commands of the README.

    Raises:
        UsageError: if the engine runs in no container or cannot take the version, or the folder
            holds something else.
        ModelError: if the base is wanted for merging and cannot be had.
    """
    given = given_of(held)
    form, why = serving.delivered(given)
    served = given.model_copy(update={"form": form})
    _refuse_what_is_not_ours(into)
    stack = stack_of(served, serving)
    into.mkdir(parents=True, exist_ok=True)
    said = files(stack, [f"{MARK}: {served.name}, version {served.number}."], served.base)
    if not (into / compose.FILE).exists():  # so that it is known for ours if it ends before its end
        write({compose.FILE: said[compose.FILE]}, into)
    made: list[Path] = []
    if weights:
        dtype = model_folder.merged_in(serving, given.dtype)
        place = into / MODELS / served.name
        made = model_folder.write(held, form, place, progress, dtype=dtype)
    said = {
        **said,
        readme.FILE: readme.readme(
            held,
            serving,
            served,
            stack,
            why,
            {path.name: path.stat().st_size for path in made} if weights else None,
            words,
        ),
    }
    return [*write(said, into), *made]


def stack_of(given: Given, serving: Serving) -> Stack:
    """Return the containers of one version.

    Args:
        given: as it is served.
    """
    engine = Engine(
        "engine", serving.container(given), serving.endpoint(given.name, given.form), given.form
    )
    return Stack(project(given.name), given.name, (engine,))


def project(name: str) -> str:
    """Return what compose calls the containers: it takes small letters, digits, - and _."""
    kept = re.sub("[^a-z0-9_]+", "-", name.lower())
    return f"llamaduo-{kept}".rstrip("-")


def files(stack: Stack, head: list[str], base: str) -> dict[str, str]:
    """Return all that is text, by path, but for the README.

    Args:
        head: the first lines of `compose.yaml`.
        base: hub id of what is gated.
    """
    main, over = compose.compose(stack, head), compose.probe(stack)
    names = variables.used(main + over)
    return {
        compose.FILE: main,
        compose.PROBE: over,
        variables.FILE: variables.example(stack, names, base),
        gateway.FILE: gateway.written(stack),
        metrics.FILE: metrics.prometheus(stack),
        **metrics.grafana(stack),
    }


def write(said: dict[str, str], into: Path) -> list[Path]:
    """Write texts below a folder, and return where."""
    made = []
    for name, text in said.items():
        path = into / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        made.append(path)
    return made


def _refuse_what_is_not_ours(into: Path) -> None:
    """Refuse to write into a folder that nothing was rendered into before.

    Raises:
        UsageError: with what to give instead.
    """
    if into.exists() and not into.is_dir():
        raise UsageError(f"serve --render {into}: it is no folder; name one, or none that is there")
    there = into / compose.FILE
    if there.is_file() and MARK in there.read_text(encoding="utf-8", errors="replace"):
        return
    if into.is_dir() and any(into.iterdir()):
        raise UsageError(
            f"serve --render {into}: it holds files that no --render wrote; name an empty folder, "
            "or one that is not there"
        )
