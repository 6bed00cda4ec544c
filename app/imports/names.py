"""The names by which a movie may be called: its title, its asides, and shorter or plainer forms of these.

Names are compared by keys: letters and digits without accents, case, spaces or punctuation, with numbers and
spellings in one form: a catalogue writes "Godfather: Part II, The", a person "The Godfather 2".
`app.titles` has the rules by which text is folded.
"""

import re
from collections.abc import Sequence
from enum import IntEnum
from functools import lru_cache

from app import titles
from app.imports.spellings import WORDS


class Form(IntEnum):
    """How near a name is to the title. The order is that of certainty."""

    TITLE = 0
    """The title, or an aside or a.k.a. of it, as it is written."""
    PLAIN = 1
    """Without articles, or without whose it is."""
    NUMBERED = 2
    """Without "part" before a number, without "part one", or without what is between title and subtitle."""
    SHORT = 3
    """What stands before a subtitle."""
    SUBTITLE = 4
    """The subtitle alone, or one of several names between commas."""


_NO_FORM = len(Form)
_REMEMBERED = 1 << 12
"""Names whose words are kept: those of a row are asked for several times."""
_ASIDES = re.compile(r"^(?P<title>\S.*?)(?P<asides>(?:\s*\([^()]*\))+)$")
_ASIDE = re.compile(r"\(([^()]*)\)")
_YEAR_ASIDE = re.compile(r"\s*\(\d{4}(?:\s*[-–]\s*\d{0,4})?\)\s*$")
_AKA = re.compile(r"[\s,;]*(?<!\w)(?:a\.\s?k\.\s?a\.?|a\.k\.a|aka)(?!\w)[\s:]*", re.IGNORECASE)
_AKA_WORD = re.compile(r"a\.\s?k\.\s?a|(?<!\w)aka(?!\w)", re.IGNORECASE)
_NO_NAME = re.compile(
    r"(?:part|pt|vol|volume|chapter|episode|season|disc)?[ .]*(?:[0-9]+|[ivx]+)|tv.*|v|vg|short|imax|3-?d"
    r"|uncut|unrated|video|documentary|sub(?:bed|titled)|dubbed|.*(?:cut|version|edition|remaster(?:ed)?)",
    re.IGNORECASE,
)
_ARTICLES = (
    "the|an?|der|die|das|den|dem|eine?|les?|la|l'|une?|des|el|los|las|lo|unos?|unas?|il|i|gli|un'|o|os|as|um|uma"
    "|de|het|een|'t|det|en|ett"
)
"""Of English, German, French, Spanish, Italian, Portuguese, Dutch, and of the Nordic languages."""
_INVERTED = re.compile(rf"^(?P<rest>.+),\s(?P<article>{_ARTICLES})$", re.IGNORECASE)
_SUBTITLE = re.compile(
    r"\s*:\s+(?:or[:,]?\s+)?|\s+[-–—]\s+|\s*/\s+|,?\s+or:?\s+(?=\()|,?\s+or:\s+", re.IGNORECASE
)
_NUMBERED = re.compile(
    r"^(?:the\s)?(?:(?:part|pt\.?|vol\.?|volume|chapter|episode|book)\s)?"
    r"(?!(?:1|i|one)\b)(?:[0-9]+|[ivx]+|two|three|four|five|six|second|last|final)(?:\s(?:part|chapter))?$",
    re.IGNORECASE,
)
_FIRST = re.compile(r"^(?:part|pt\.?|vol\.?|volume|chapter|episode)\s(?:1|i|one)$", re.IGNORECASE)
_BELONGS = re.compile(
    r"^(?:(?:walt )?disney|marvel(?: studios)?|national lampoon|bram stoker|mary shelley|william shakespeare"
    r"|shakespeare|tyler perry|dr\.? seuss|john carpenter|wes craven|roald dahl|stephen king|clive barker"
    r"|tim burton|dave chappelle|jim henson|neil simon|tom clancy"
    r"|agatha christie|jane austen|emily brontë|george orwell|fellini|lee daniels|monty python)"
    r"(?:'s?|s)\s(?=\S)",
    re.IGNORECASE,
)
_APOSTROPHES = str.maketrans(dict.fromkeys("’‘ʼ`´′＇", "'"))
_TWO_LETTERS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ø": "oe", "å": "aa"})
_PARTS = frozenset(("part", "episode", "chapter", "volume"))
LEFT_OUT = frozenset(("the", "a", "an"))
_LEADING = frozenset(
    (
        *("der", "das", "ein", "eine", "le", "la", "les", "l", "un", "une", "el", "los", "las", "una", "il"),
        *("gli", "uno", "um", "uma", "het", "een", "det"),
    )
)
"""Articles left out at the head of a name; those that are words elsewhere ("die", "o", "de") stay."""
_DROPPED = LEFT_OUT | _PARTS
_PUNCTUATION = frozenset(":-–—/(,'.")
_COMMON = frozenset(("movie", "film", "beginning", "sequel", "musical", "series", "end", "return"))
_NUMERALS = frozenset(titles.numeral_words()) | frozenset(map(str, range(21)))
SPECIAL = frozenset(WORDS) | _NUMERALS | _DROPPED | _LEADING
"""Words for which a title of none but letters may have other names than itself."""
_MARK_FIRST = re.compile(r"(?:^|a\.?+\s?k\.?+\s?a\.?+)\s*[^\w\s]|\(\s*[^\w\s(]", re.IGNORECASE)
_VALUE = re.compile(r"[0-9]")
_WITHOUT_MARKS = str.maketrans("", "", ":-–—/")
_BEHIND = re.compile(rf", ({_ARTICLES})(?=[\s,;]*(?:[():]|$|a\.?\s?k\.?\s?a))", re.IGNORECASE)


@lru_cache(_REMEMBERED)
def words(text: str) -> Sequence[str]:
    """The words of a name in the form in which they are compared: folded, numbers in digits, one spelling."""
    return tuple(spelt(titles.words(text)))


def title_key(text: str) -> str:
    """The key of a name as it is written; of one without letters and digits the text itself."""
    return "".join(words(text)) or titles.name_key(text)


def names(title: str) -> dict[str, Form]:
    """Every name in a title such as "Trou, Le (Hole, The) (Night Watch, The)", each with its nearest form."""
    title = title.strip()
    if is_plain(title):
        return _plain_names(title, words(title))
    whole, written = _written(title)
    found = {title_key(whole): Form.TITLE}
    for text in written:
        for key, form in _forms(text):
            if form < found.get(key, _NO_FORM):
                found[key] = form
    found.pop("", None)
    return found


def exact_names(title: str) -> set[str]:
    """The names of `Form.TITLE` alone, in less time."""
    title = title.strip()
    whole, written = (title, []) if is_plain(title) else _written(title)
    return {title_key(text) for text in (whole, *written)} - {""}


def search_keys(title: str) -> tuple[str, ...]:
    """By what a movie that comes finds a title: the `search_key` of it, and of each name in it."""
    written = () if is_plain(title) else _written(title.strip())[1]
    return tuple(dict.fromkeys(map(search_key, (title, *written))))


def search_key(title: str) -> str:
    """The name that the title has in common with most of those that may mean the same: the shortest of its
    farthest form, without what a subtitle alone says. Who has it among their `names` may be the same.
    """
    forms: dict[Form, list[str]] = {}
    for key, form in names(title).items():
        forms.setdefault(form, []).append(key)
    forms.pop(Form.SUBTITLE, None)
    return min(forms[max(forms)], key=lambda key: (len(key), key)) if forms else ""


def is_plain(title: str) -> bool:
    """Whether a title has one name, and perhaps one without its articles: most do."""
    return _PUNCTUATION.isdisjoint(title) and title.isascii() and "aka" not in title


def _plain_names(title: str, said: Sequence[str]) -> dict[str, Form]:
    """The names of a plain title, given its words."""
    found = {"".join(said) or titles.name_key(title): Form.TITLE}
    if len(said) > 1 and (said[0] in _LEADING or not _DROPPED.isdisjoint(said)):
        for key, form in _plainer(title, said):
            found.setdefault(key, form)
        found.pop("", None)
    return found


def spelt(said: list[str]) -> list[str]:
    """Folded words in the form in which they are compared: numbers in digits, one spelling."""
    if WORDS.keys().isdisjoint(said) and _NUMERALS.isdisjoint(said):
        return said
    return titles.numerals([WORDS.get(word, word) for word in said])


def is_certain(title: str, said: Sequence[str]) -> bool:
    """Whether `runs` are known to have every name of a title, given its words.

    Numbers are read by what stands beside them; two letters may stand for one; of several subtitles the last
    may follow the title; what begins with a mark, as "$ (Dollars)", may be a name without a letter.
    """
    if not said or not _NUMERALS.isdisjoint(said) or _VALUE.search(title) or _MARK_FIRST.search(title):
        return False
    if not title.isascii() and title.casefold().translate(_TWO_LETTERS) != title.casefold():
        return False
    return len(title) - len(title.translate(_WITHOUT_MARKS)) < 2 or len(_SUBTITLE.findall(title)) < 2


def runs(title: str, said: Sequence[str]) -> list[Sequence[str]]:
    """The words of which the names of a title are runs, beside its words as they are, which are given."""
    found = list[Sequence[str]]()
    if ", " in title and _BEHIND.search(title):  # an article comes to stand before its words
        found = [words(part) for part in _written(title)[1]]
    for line in (said, *found):
        kept = [word for word in line[line[0] in _LEADING :] if word not in LEFT_OUT] if line else line
        if len(kept) < len(line):
            found = [*found, kept]
    return found


def _written(title: str) -> tuple[str, list[str]]:
    """The title whole, and what it consists of: itself without asides, and each aside, as they are spoken."""
    title = title.translate(_APOSTROPHES)
    if "(" not in title:
        return title, _spoken(title) if _AKA_WORD.search(title) else [_upright(title)]
    title = _YEAR_ASIDE.sub("", title) or title
    if not (match := _ASIDES.match(title)):
        return title, [_upright(title)]
    asides = [aside.strip() for aside in _ASIDE.findall(match["asides"])]
    found = [aside for aside in asides if aside and not _NO_NAME.fullmatch(aside)]
    return title, [name for text in (match["title"], *found) for name in _spoken(text)]


def _spoken(text: str) -> list[str]:
    parts = _AKA.split(text) if _AKA_WORD.search(text) else [text]
    return [_upright(part.strip()) for part in parts if part.strip()]


def _upright(text: str) -> str:
    """ "Matrix, The" as "The Matrix"."""
    if ", " in text and (match := _INVERTED.match(text)):
        article = match["article"]
        return f"{article}{'' if article.endswith(chr(39)) else ' '}{match['rest']}"
    return text


def _forms(text: str) -> list[tuple[str, Form]]:
    said = words(text)
    found = [("".join(said) or titles.name_key(text), Form.TITLE), *_plainer(text, said)]
    if _PUNCTUATION.isdisjoint(text):
        return found
    if _SUBTITLE.search(text):
        found += _shorter(text, [part for part in _SUBTITLE.split(text) if part and part.strip("( )")])
    if "'" in text and (match := _BELONGS.match(text)):
        said = words(text[match.end() :])
        found += [("".join(said), Form.PLAIN), *_plainer(text[match.end() :], said)]
    if ", " in text:
        parts = [words(part) for part in text.split(", ")]
        found += [("".join(part), Form.SUBTITLE) for part in parts if _is_telling(part)]
    return found


def _plainer(text: str, said: Sequence[str]) -> list[tuple[str, Form]]:
    """The keys of a name without its articles and parts, and with two letters for an umlaut."""
    found = []
    if len(said) > 1 and (said[0] in _LEADING or not _DROPPED.isdisjoint(said)):
        kept = [word for word in said[said[0] in _LEADING :] if word not in LEFT_OUT]
        found.append(("".join(kept), Form.PLAIN))
        if not _PARTS.isdisjoint(kept):
            found.append(("".join(_without_parts(kept)), Form.NUMBERED))
    if not text.isascii() and (other := text.casefold().translate(_TWO_LETTERS)) != text.casefold():
        found.append((title_key(other), Form.PLAIN))
    return found


def _without_parts(said: Sequence[str]) -> list[str]:
    """Without "part" and the like before a number."""
    return [
        word
        for at, word in enumerate(said)
        if not (at and word in _PARTS and said[at + 1 : at + 2] and said[at + 1].isdigit())
    ]


def _shorter(text: str, parts: list[str]) -> list[tuple[str, Form]]:
    """Names before and after a subtitle; none before a later part's number, since that is another movie."""
    found: list[tuple[str, Form]] = []
    if len(parts) < 2:
        return found
    rest = text[len(parts[0]) :].strip(" :-–—/")
    if not _NUMBERED.match(rest):
        found += _all(parts[0], Form.NUMBERED if _FIRST.match(rest) else Form.SHORT)
    if len(parts) > 2:
        found += _all(f"{parts[0]} {parts[-1]}", Form.NUMBERED)
    for subtitle in {rest, parts[-1].strip()}:
        if _is_telling(words(subtitle)):
            found += _all(subtitle, Form.SUBTITLE)
    return found


def _all(text: str, form: Form) -> list[tuple[str, Form]]:
    """The keys of part of a title, each no nearer than `form`."""
    said = words(text)
    return [("".join(said), form), *((key, form) for key, _ in _plainer(text, said))]


def _is_telling(said: Sequence[str]) -> bool:
    """Whether part of a title can stand for it: two words or more that are not in many titles."""
    telling = [word for word in said if word not in _DROPPED]
    return len(telling) > 1 and not all(word in _COMMON or word.isdigit() for word in telling)
