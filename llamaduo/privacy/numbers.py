"""Numbers that carry their own proof: IBANs, cards and national ids, checked by `python-stdnum`."""

import re
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from typing import Any

_SPACE = " \u00a0\u2007\u2009\u202f"
"""Spaces within a number: plain, no-break, of a figure's width, thin, narrow no-break."""
_IBAN = re.compile(
    rf"(?<![A-Za-z0-9])(?:[A-Z]{{2}}\d{{2}}(?:[{_SPACE}]?[A-Z0-9]){{11,30}}"
    rf"|[a-z]{{2}}\d{{2}}(?:[{_SPACE}]?[a-z0-9]){{11,30}})(?![A-Za-z0-9])"
)
_CARD = re.compile(
    rf"(?<![\w.,-])(?:\d{{13,19}}|\d{{4}}([{_SPACE}-])\d{{4}}\1\d{{4}}\1\d{{4}}"
    rf"|\d{{4}}([{_SPACE}-])\d{{6}}\2\d{{5}})(?![\w])"
)
_ISSUED = re.compile(
    r"4\d{12}(?:\d{3}){0,2}|5[1-5]\d{14}|2(?:2[2-9]|[3-6]\d|7[01])\d{13}|2720\d{12}|3[47]\d{13}"
    r"|6(?:011|4[4-9]\d|5\d\d)\d{12}|35(?:2[89]|[3-8]\d)\d{12}|3(?:0[0-5]|[68]\d)\d{11}"
)
"""Lengths and first digits of Visa, Mastercard, American Express, Discover, JCB and Diners."""

_IDS = {
    "be.nn": r"\d{2}\.\d{2}\.\d{2}-\d{3}\.\d{2}",
    "br.cpf": r"\d{3}\.\d{3}\.\d{3}-\d{2}",
    "ca.sin": r"\d{3}([ -])\d{3}\1\d{3}",
    "ch.ssn": r"756\.\d{4}\.\d{4}\.\d{2}",
    "cn.ric": r"\d{17}[\dX]",
    "dk.cpr": r"\d{6}-\d{4}",
    "es.dni": r"\d{8}-?[A-Z]",
    "es.nie": r"[XYZ]-?\d{7}-?[A-Z]",
    "fi.hetu": r"\d{6}[-+A-FU-Y]\d{3}[\dA-Y]",
    "fr.nir": r"[12] ?\d{2} ?\d{2} ?[\dAB]{2} ?\d{3} ?\d{3} ?\d{2}",
    "gb.nhs": r"\d{3}([ -])\d{3}\1\d{4}",
    "in_.aadhaar": r"\d{4}([ -])\d{4}\1\d{4}",
    "it.codicefiscale": r"[A-Z]{6}\d{2}[A-Z]\d{2}[A-Z]\d{3}[A-Z]",
    "kr.rrn": r"\d{6}-\d{7}",
    "mx.curp": r"[A-Z]{4}\d{6}[HM][A-Z]{5}[A-Z\d]\d",
    "no.fodselsnummer": r"\d{6} ?\d{5}",
    "pl.pesel": r"\d{11}",
    "se.personnummer": r"(?:\d{2})?\d{6}[-+]\d{4}",
    "us.ssn": r"\d{3}-\d{2}-\d{4}",
}
"""Module of stdnum, and how a number is written. Those that any run of digits could pass for one
time in ten (the Dutch, the German, the Australian) are left out, or asked for in their groups."""

_FORMS = {of: re.compile(rf"(?<![\w.,-])(?:{form})(?![\w-]|[.,]\d)") for of, form in _IDS.items()}
_MAYBE = re.compile(r"\d(?:[ .-]?\d){4}|[A-Z]{4}\d{2}")
"""What some part of each of them is like; most texts have none, and cost nothing more."""


@cache
def _stdnum(name: str) -> Any:
    return import_module(f"stdnum.{name}")


def ibans(text: str) -> Iterator[tuple[int, int]]:
    """Yield where IBANs stand: of their country's length, with their check digits right."""
    for match in _IBAN.finditer(text):
        for end in range(match.end(), match.start() + 14, -1):  # words in capitals may follow
            written = re.sub(rf"[{_SPACE}]", "", text[match.start() : end])
            if text[end - 1] not in _SPACE and _stdnum("iban").is_valid(written):
                yield match.start(), end
                break


def cards(text: str) -> Iterator[tuple[int, int]]:
    """Yield where card numbers stand that an issuer could have given, by Luhn's check."""
    for match in _CARD.finditer(text):
        digits = re.sub(r"\D", "", match[0])
        if _ISSUED.fullmatch(digits) and _stdnum("luhn").is_valid(digits):
            yield match.span()


def national_ids(text: str) -> Iterator[tuple[int, int]]:
    """Yield where national id numbers of `_IDS` stand."""
    if not _MAYBE.search(text):
        return
    for of, form in _FORMS.items():
        for match in form.finditer(text):
            if _stdnum(of).is_valid(match[0]):
                yield match.span()
