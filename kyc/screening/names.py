"""How names are compared: the form that is compared, what it sounds like, and how alike two are.

Pure. A name in the compared form is its parts in small letters without accents, in alphabetical
order, so that "SILVA, João da" and "Joao Silva" are the same. A name in another writing has two forms,
as it is and in Latin letters; one that somebody gives has a third, as it looks, because letters that
only look Latin are how a name is kept from being found.
"""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from functools import lru_cache

from anyascii import anyascii
from rapidfuzz import fuzz, process
from rapidfuzz.distance import Indel, JaroWinkler

_LETTERS = str.maketrans(
    {"ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "ı": "i", "ŋ": "n"}
)
# Cyrillic and Greek letters, and digits, by what they look like (unicode.org/Public/security,
# confusables.txt, and small letters that look like Latin capitals).
_LOOKS = str.maketrans(
    "АВЕЅІЈКМНОРСТУҮХԚԜѴӀҺԌЬаеѕіјорсуүхԛԝѵӏһԁԍкмтнвгпиьΑΒΕΖΗΙΚΜΝΟΡΤΥΧαβγεηικνορστυχωμϲϳ0135|",
    "ABESIJKMHOPCTYYXQWVIHGBaesijopcyyxqwvlhdgkmthbrnubABEZHIKMNOPTYXabyenikvopotuxwucjolesl",
)
# Letters and marks that are not seen (Default_Ignorable_Code_Point), beside those of category Cf.
_UNSEEN = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0]")
# Parts that some documents leave out, and titles. None of them tells who somebody is.
_PARTICLES = frozenset(
    {
        "a", "al", "as", "bin", "bint", "da", "das", "de", "dei", "del", "dela", "della", "den", "der",
        "di", "do", "dos", "dr", "du", "e", "el", "ibn", "jr", "junior", "la", "las", "le", "los", "mr",
        "mrs", "ms", "prof", "sr", "van", "von", "y",
    }
)  # fmt: skip
_APOSTROPHES = re.compile(r"['’`´ʻʼ]")
_PARTS = re.compile(r"[^\W\d_]+")
_SOUNDS: Sequence[tuple[str, str]] = (
    ("ph", "f"), ("sch", "s"), ("sh", "s"), ("ch", "s"), ("ck", "k"), ("qu", "k"), ("kh", "k"),
    ("gh", "g"), ("th", "t"), ("w", "v"), ("q", "k"), ("c", "k"), ("z", "s"), ("x", "ks"), ("j", "i"),
    ("y", "i"),
)  # fmt: skip
_QUIET = re.compile(r"[aeiouh]")
_DOUBLED = re.compile(r"(.)\1+")
_LEAST_WORTH_LOOKING_AT = 70.0
_LEFT_OUT = 4.0  # points less for each part that only one of the two has, up to three of them


def compared(name: str) -> str:
    """The form of a name that is compared; empty for one without letters."""
    plain = _APOSTROPHES.sub("", name).casefold()
    if not plain.isascii():
        plain = unicodedata.normalize("NFKD", _seen(plain))
        plain = "".join(c for c in plain if unicodedata.category(c)[0] != "M").translate(_LETTERS)
    parts = _PARTS.findall(plain)
    telling = [part for part in parts if part not in _PARTICLES]
    return " ".join(sorted(telling if len(telling) > 1 else parts))


def spelled(name: str) -> list[str]:
    """The compared forms of a name on a list: as written, and in Latin letters."""
    forms = {compared(name): None, compared(_in_latin(name)): None}
    return [form for form in forms if form]


def given(name: str) -> list[str]:
    """The compared forms of a name that somebody gives: those of a list, and as it looks."""
    looks = unicodedata.normalize("NFKD", _seen(name)).translate(_LOOKS)
    forms = dict.fromkeys([*spelled(name), compared(_in_latin(looks))])
    return [form for form in forms if form]


def _seen(name: str) -> str:
    """Without what nobody sees: joiners, marks of direction, fillers."""
    return "".join(c for c in _UNSEEN.sub("", name) if unicodedata.category(c) != "Cf")


def _in_latin(name: str) -> str:
    """Transliterated. Chinese and Korean syllables, which begin with a capital, become parts."""
    if name.isascii():
        return name
    letters = unicodedata.normalize("NFC", _APOSTROPHES.sub("", _seen(name)))
    return "".join(_letter_in_latin(letter) for letter in letters)


def _letter_in_latin(letter: str) -> str:
    if unicodedata.category(letter)[0] not in "LM":
        return letter
    latin = _APOSTROPHES.sub("", anyascii(letter))
    return f" {latin}" if latin[:1].isupper() and unicodedata.category(letter) == "Lo" else latin


def sounds(forms: Iterable[str]) -> list[str]:
    """What the parts of names sound like: candidates share at least one of these with a person.

    Parts of one letter count where a name has no two others; elsewhere they tell too little.
    """
    keys: set[str] = set()
    for form in forms:
        parts = form.split()
        long = [part for part in parts if len(part) > 1]
        keys.update(map(_sound, long if len(long) > 1 else parts))
    return sorted(keys)


def telling_parts(forms: Iterable[str]) -> int:
    """How many different sounds the parts of more than one letter have."""
    return len({_sound(part) for form in forms for part in form.split() if len(part) > 1})


@lru_cache(maxsize=50_000)
def _sound(part: str) -> str:
    """The first sound and the consonants after it, those that are written alike made one."""
    for written, heard in _SOUNDS:
        part = part.replace(written, heard)
    first, rest = part[0], _QUIET.sub("", part[1:])
    if first == "h" and len(part) > 1:
        first = part[1]
    if first in "aeiou":
        first = "a" if first in "ao" else "i"
    return _DOUBLED.sub(r"\1", first + rest)


def number(text: str) -> str:
    """A tax id or another number without punctuation; empty when too short to tell anybody."""
    kept = re.sub(r"[\W_]", "", text).casefold()
    return kept if len(kept) >= 5 and any(c.isdigit() for c in kept) else ""


def likeness(one: str, other: str) -> float:
    """How alike two names in the compared form are, from 0 to 100.

    The better of two looks: at the whole text, and part by part, where each part of the shorter name
    finds the part of the longer one that is most like it. A part of one name alone, such as a
    second given name, costs a little. A single part never stands for a whole name.
    """
    whole = fuzz.ratio(one, other)
    few, many = sorted((one.split(), other.split()), key=len)
    if len(few) < 2:
        return whole
    return max(whole, _by_parts(few, many))


def _by_parts(few: list[str], many: list[str]) -> float:
    left, total = list(many), 0.0
    for part in sorted(few, key=len, reverse=True):
        nearest, other = max((_part_likeness(part, other), other) for other in left)
        total += len(part) * nearest
        left.remove(other)
    alike = 100 * total / sum(map(len, few))
    return alike - _LEFT_OUT * min(len(left), 3)


def _part_likeness(one: str, other: str) -> float:
    """Parts that sound alike are half-way to being equal; of others only the common letters count."""
    if _sound(one) == _sound(other):
        return (1 + JaroWinkler.similarity(one, other)) / 2
    return Indel.normalized_similarity(one, other)


def best(name: str, forms: Sequence[str]) -> list[float]:
    """For each of `forms` how like `name` it is; 0 where even a rough look finds nothing."""
    scores = [0.0] * len(forms)
    rough = process.extract_iter(
        name, forms, scorer=fuzz.token_set_ratio, score_cutoff=_LEAST_WORTH_LOOKING_AT
    )
    for form, _score, index in rough:
        scores[index] = likeness(name, form)
    return scores
