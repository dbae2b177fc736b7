"""Phone numbers, by Google's library of what numbers there are (`phonenumberslite`)."""

import re
from collections.abc import Iterator, Sequence

_MAYBE = re.compile(r"\d[\d\s().\-/]{4,}\d")
"""No shorter than a number with its area code; most texts have none, and cost nothing more."""

_BRACKETS = str.maketrans("[]", "||")


def unknown(regions: Sequence[str]) -> list[str]:
    """Return the codes that are no country's."""
    import phonenumbers

    return [region for region in regions if region not in phonenumbers.SUPPORTED_REGIONS]


def phones(text: str, regions: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Yield where numbers stand that exist: with +country code, or as in one of `regions`.

    Digits in one piece that begin with neither + nor 0 are passed over: with ten of them, an
    order's number is as often one as a phone's is.
    """
    if not _MAYBE.search(text):
        return
    import phonenumbers

    # A bracket without its other half beside a number hides the number from the library.
    for seen in dict.fromkeys((text, text.translate(_BRACKETS))):
        for region in regions or (None,):
            for match in phonenumbers.PhoneNumberMatcher(seen, region):
                if not match.raw_string.isdigit() or match.raw_string.startswith("0"):
                    yield match.start, match.end
