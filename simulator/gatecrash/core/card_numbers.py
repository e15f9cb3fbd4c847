"""Finding card and account numbers in text, however they are spelt, and nothing that merely has as many digits.

Two things count. A *known* number, one of the published test cards and accounts, counts in every spelling. Any other number
counts only where it is *shaped* as a card that a brand issues: prefix, length, Luhn check, printed grouping, and no part of a
longer token or number. A single word that is shaped as a card and is no known number is taken for an id: one 16-digit id in fifty
looks like a card.
"""

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from urllib.parse import unquote

from gatecrash.core.banks import TEST_ACCOUNTS
from gatecrash.core.cards import TEST_CARDS, issued_by

Span = tuple[int, int]

# 12 digits or more, as people write them: in one run, or in groups; a test account has 12
_GAP = r"[\s._/+-]"
_RUN = re.compile(rf"[0-9](?:{_GAP}*[0-9]){{11,}}")
# a longer run of digits and gaps is no honest text: it is not searched but taken for a card
_RUN_MAX = 400
# a number as it is printed on a card: in one run, or in the groups of its brand; in no longer token, decimal or phone number
_GROUPED = rf"[0-9]{{4}}{_GAP}{{1,3}}(?:[0-9]{{6}}{_GAP}{{1,3}}[0-9]{{4,5}}|(?:[0-9]{{4}}{_GAP}{{1,3}}){{2}}[0-9]{{4}})"
_PRINTED = re.compile(
    rf"(?<![0-9A-Za-z+])(?<![0-9A-Za-z][-_])(?<![0-9][.])(?:{_GROUPED}|[0-9]{{14,19}})(?![0-9A-Za-z])(?![-_][0-9A-Za-z])(?![.][0-9])"
)
_LAST_THREE = re.compile(rf"{_GAP}{{1,3}}[0-9]{{3}}(?![0-9A-Za-z])")
# a group of four before or after makes it a longer number
_FOUR_BEFORE = re.compile(rf"(?<![0-9])[0-9]{{4}}{_GAP}{{1,3}}$")
_FOUR_AFTER = re.compile(rf"{_GAP}{{1,3}}[0-9]{{4}}(?![0-9])")
_IBAN = re.compile(r"(?<![0-9A-Za-z])[A-Z]{2}[0-9]{2}(?: ?[0-9A-Z]{4}){2,7}(?: ?[0-9A-Z]{1,3})?(?![0-9A-Za-z])")
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|(.))", re.DOTALL)
_WORD = re.compile(r"[^\s%\\]+")


def is_word(text: str) -> bool:
    """Whether `text` is one plain word, as ids are: no blanks, no escapes, none of Unicode's other digits."""
    return plain(text) == text and _WORD.fullmatch(text) is not None


def holds_known_number(text: str) -> bool:
    """Whether a published test card or account is in `text`, in any spelling."""
    return any(_is_known(match[0]) for reading in readings(text) for match in _RUN.finditer(reading))


def card_spans(text: str) -> list[Span]:
    """Where `text`, read as it is, holds numbers that count; in order, none overlapping."""
    text = plain(text)
    spans = [match.span() for match in _RUN.finditer(text) if len(match[0]) > _RUN_MAX or _is_known(match[0])]
    shaped = (span for span in _shaped(text) if all(span[1] <= start or end <= span[0] for start, end in spans))
    return sorted([*spans, *shaped])


def readings(text: str) -> Iterator[str]:
    """`text` as it is, and with the escapes of URLs and of JSON undone; in ASCII digits, blanks and dashes."""
    yield plain(text)
    if "%" in text:
        yield plain(unquote(text, errors="replace"))
    if "\\" in text:
        yield plain(_ESCAPE.sub(lambda found: chr(int(found[1], 16)) if found[1] else " ", text))


def plain(text: str) -> str:
    """`text`, character by character, with ASCII digits, blanks and dashes in place of Unicode's others."""
    return text if text.isascii() else "".join(map(_plain, text))


@lru_cache(maxsize=1024)
def _plain(char: str) -> str:
    if char.isascii():
        return char
    digit = unicodedata.digit(char, None)
    if digit is not None:
        return str(digit)
    simple = unicodedata.normalize("NFKC", char)
    if len(simple) == 1 and simple.isascii():
        return simple
    category = unicodedata.category(char)
    # letters stay; dashes, other marks, blanks and what is not seen at all part the groups of a number
    return char if category[0] in "LN" else "-" if category == "Pd" else " "


def _is_known(run: str) -> bool:
    digits = re.sub("[^0-9]", "", run)
    return any(number in digits for number in TEST_CARDS) or any(
        number in digits and _is_account(run, number) for number in TEST_ACCOUNTS
    )


def _is_account(run: str, number: str) -> bool:
    """Whether whole groups of the run make up the account number: short numbers are part of many a longer one."""
    groups = re.findall("[0-9]+", run)
    return any(
        "".join(groups[first:last]) == number
        for first in range(len(groups))
        for last in range(first + 1, min(first + 12, len(groups)) + 1)
    )


def _shaped(text: str) -> Iterator[Span]:
    ibans: list[Span] | None = None
    for match in _PRINTED.finditer(text):
        start, end = match.span()
        digits = re.sub("[^0-9]", "", match[0])
        grouped = len(digits) != end - start
        if grouped and (_FOUR_BEFORE.search(text, max(0, start - 8), start) or _FOUR_AFTER.match(text, end)):
            continue
        if grouped and (more := _LAST_THREE.match(text, end)) and issued_by(digits + more[0][-3:]):
            end = more.end()
        elif issued_by(digits) is None:
            continue
        if ibans is None:
            ibans = [found.span() for found in _IBAN.finditer(text) if _is_iban(found[0])]
        if all(end <= first or last <= start for first, last in ibans):
            yield start, end


def _is_iban(text: str) -> bool:
    """Whether the check digits are right (ISO 7064, mod 97-10)."""
    code = text.replace(" ", "")
    return int("".join(str(int(char, 36)) for char in code[4:] + code[:4])) % 97 == 1
