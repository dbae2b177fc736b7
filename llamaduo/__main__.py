"""The first word is a verb (`run` if none); what a verb raises becomes an exit code."""

import importlib
import os
import sys

from llamaduo.errors import LlamaDuoError, UsageError
from llamaduo.options import nearest
from llamaduo.progress import READER_GONE, nobody_reads
from llamaduo.quiet import quiet
from llamaduo.verbs import VERBS

INTERRUPTED = 130


def main() -> int:
    """Run the verb of the command line; returns the process's exit code."""
    quiet()
    words = sys.argv[1:]
    if any(word.startswith(("query=", "install=", "uninstall=")) for word in words):
        return _completion(words)
    if words in ([], ["help"]) or (_asks_help(words) and not _unknown(words[0])):
        print(_help(words))
        return 0
    if words == ["--version"]:
        from llamaduo import __version__

        print(f"llamaduo {__version__}")
        return 0
    verb = words.pop(0) if words[0] in VERBS else ""
    try:
        if not verb and _unknown(words[0]):
            near = nearest(words[0], VERBS)
            raise UsageError(f"{words[0]}: no such verb{near or '; llamaduo --help lists them'}")
        verb = verb or "run"
        code: int = importlib.import_module(f"llamaduo.verbs.{verb}").main(words)
    except LlamaDuoError as error:
        print(f"llamaduo: {error}", file=sys.stderr)
        return error.exit_code
    except BrokenPipeError:  # the reader has seen enough: `llamaduo cost | head`
        nobody_reads(sys.stdout)
        return READER_GONE
    except KeyboardInterrupt:
        print("llamaduo: stopped; the same command goes on from here", file=sys.stderr)
        return INTERRUPTED
    return code


def _unknown(word: str) -> bool:
    """Whether it is meant as a verb, and is none."""
    return word.isidentifier() and word not in {*VERBS, "help"}


def _asks_help(words: list[str]) -> bool:
    return "-h" in words or "--help" in words


def _help(words: list[str]) -> str:
    """Return the help of the verb that is named, or of all."""
    from llamaduo.verbs.help import of_run, text

    if words[:1] == ["run"]:
        return of_run()
    if words and words[0] in VERBS:
        module = importlib.import_module(f"llamaduo.verbs.{words[0]}")
        if hasattr(module, "parser"):
            made: str = module.parser().format_help().rstrip()
            return made
    return text()


def _completion(words: list[str]) -> int:
    """Answer the shell: verbs from us, groups, options and keys from Hydra."""
    from llamaduo import config
    from llamaduo.verbs.run import job

    line = os.environ.get("COMP_LINE", "")
    typed = line[: int(os.environ.get("COMP_POINT", len(line)))].split(" ")
    if len(typed) == 2 and any(word.startswith("query=") for word in words):
        for verb in VERBS:
            if verb.startswith(typed[1]):
                print(verb)
    if len(typed) > 2 and typed[1] in VERBS:
        del typed[1]
    os.environ["COMP_LINE"] = " ".join(typed)
    os.environ["COMP_POINT"] = str(len(" ".join(typed)))
    config.launch(words, job)
    return 0


if __name__ == "__main__":
    sys.exit(main())
