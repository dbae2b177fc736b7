"""Evidence in, one HTML file out."""

from importlib.resources import files
from typing import Any

from markupsafe import Markup

from llamaduo.dossier.content import content
from llamaduo.dossier.evidence import Evidence
from llamaduo.dossier.forms import LONGEST
from llamaduo.dossier.pictures import pictures
from llamaduo.dossier.traced import at, below, trace


def html(evidence: Evidence) -> str:
    """Return the dossier. Every text is escaped, and no script is in it."""
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    page = files("llamaduo.dossier").joinpath("page")

    def source(name: str) -> str:
        return page.joinpath(name).read_text(encoding="utf-8")

    def n(path: str, form: str) -> Markup:
        return trace(path, form, roots)

    def of(path: str) -> Any:
        return at(path, roots)

    shown = content(evidence)
    roots = {
        **evidence.roots,
        "shown": {"worst": len(shown["worst"]), "unjudged": len(shown["unjudged"])},
    }
    made = Environment(
        loader=FunctionLoader(source),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.globals |= {
        "n": n,
        "of": of,
        "below": below,
        "longest": LONGEST,
        "fold": shown["fold"],
    }
    return made.get_template("page.html").render(
        **shown,
        pictures=pictures(evidence.result, evidence.exp.workload, evidence.projection),
        style=Markup(source("style.css")),  # ours, and as it stands
    )
