"""The dossier on paper: printed to PDF by a Chromium that is on the machine."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from llamaduo.errors import UsageError

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
"""What a Chromium is called on PATH."""
PATIENCE = 120.0
"""Seconds for one printing."""
PAPERS = {"a4": "A4", "letter": "letter"}
"""Sizes of paper, by what is typed."""


def browser() -> str | None:
    """Return the Chromium that is found first; None where there is none."""
    return next((found for name in NAMES if (found := shutil.which(name))), None)


def flags(profile: Path) -> list[str]:
    """Return how it is started: unseen, with a profile of its own, and no network.

    Root has no sandbox in Chromium; nothing in the page runs, by its own policy too.
    """
    return [
        "--headless",
        "--disable-gpu",
        "--no-first-run",
        "--disable-extensions",
        "--disable-background-networking",
        "--host-resolver-rules=MAP * ~NOTFOUND",
        f"--user-data-dir={profile}",
        *(["--no-sandbox"] if os.geteuid() == 0 else []),
    ]


def pdf(page: str, into: Path, *, paper: str) -> None:
    """Print `page` to the file `into`, whole or not at all.

    Args:
        page: HTML.
        paper: one of `PAPERS`.

    Raises:
        UsageError: if there is no Chromium, or it does not print.
    """
    found = browser()
    if found is None:
        raise UsageError(
            f"--pdf: none of {', '.join(NAMES)} is on PATH; install one, or open the HTML file in "
            "any browser and print it from there"
        )
    sized = page.replace("<style>", f"<style>@page {{ size: {PAPERS[paper]}; }}\n", 1)
    with tempfile.TemporaryDirectory(prefix="llamaduo-") as folder:
        source, out = Path(folder) / "dossier.html", Path(folder) / "dossier.pdf"
        source.write_text(sized, encoding="utf-8")
        words = [found, *flags(Path(folder) / "profile"), "--no-pdf-header-footer"]
        words += [f"--print-to-pdf={out}", source.as_uri()]
        try:
            ended = subprocess.run(words, capture_output=True, timeout=PATIENCE, check=False)
            said = ended.stderr.decode(errors="replace").strip().split("\n")[-1]
        except subprocess.TimeoutExpired:
            said = f"it had not ended after {PATIENCE:g} seconds"
        if not out.is_file() or not out.read_bytes().startswith(b"%PDF"):
            raise UsageError(
                f"--pdf: {found} printed nothing ({said}); open the HTML file in any browser and "
                "print it from there"
            )
        draft = into.with_name(f"{into.name}.new")
        shutil.copyfile(out, draft)
        draft.replace(into)
