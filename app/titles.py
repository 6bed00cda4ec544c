"""Titles: the pure rules by which those of any catalogue, keyboard and script are read and compared.

`fold` keeps the punctuation, `words` are what a search looks for, `compact` and `name_key`
compare whole titles.
"""

import re
import unicodedata
from collections.abc import Sequence

NAME = "="
LONGEST_TERM = 100
"""Characters: PostgreSQL takes 2,046 bytes."""

_BLANKS = "\t\n\v\f\r" + "".join(filter(str.isspace, map(chr, range(0x20, 0x3001)))) + "\ufeff"
_YEAR = re.compile(r"^(?P<title>.*\S)\s*\((?P<year>\d{4})(?:[-–]\d{0,4})?\)$")
_TRAILING = (
    r"^(?P<rest>.+), "
    r"(?P<article>The|A|An|La|Le|Les|L['’]|El|Los|Las|Il|Lo|I|Gli|Der|Die|Das|Ein|Eine|Un|Une|Det|Den|De|Het)"
    r"(?P<aside> \(.*\))?$"
)
_ARTICLE = re.compile(_TRAILING)
_ASIDE = re.compile(r"\s*\((?P<aside>[^()]*)\)")
_AKA = re.compile(r"^a\.?k\.?a\.? +", re.IGNORECASE)
_ACRONYM = re.compile(r"(?<!\w)[^\W\d_](?:\.[^\W\d_])+(?!\w)\.?")
_ENDING = re.compile(r"(?<=\w)'(?=\w{1,2}\b)")
_AND = re.compile(r"&| \+ ")
_IDEOGRAPH = re.compile(r"[぀-ヿ㐀-鿿豈-﫿]")
_PARTS = re.compile(r"[a-z0-9]+")

_ALIKE = (
    *(("æ", "ae"), ("œ", "oe"), ("ø", "o"), ("ł", "l"), ("đð", "d"), ("þ", "th"), ("ħ", "h"), ("ı", "i")),
    *(
        ("ŋ", "n"),
        ("ŧ", "t"),
        ("’‘‛ʼʻ´\u1ffd`′＇", "'"),
        ("“”„‟«»″", '"'),
        ("‐‑‒–—―−", "-"),
        ("·•‧∙⋅・", " "),
    ),
)
_FRACTIONS = [chr(code) for code in (*range(0xBC, 0xBF), *range(0x2150, 0x215F))]
_LETTERS = str.maketrans(
    {letter: plain for letters, plain in _ALIKE for letter in letters}
    | {sign: f" {unicodedata.normalize('NFKD', sign)}" for sign in _FRACTIONS}
)

_SPELT = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_ROMAN = ("i", "ii", "iii", "iv", "v", "vi", "vii", "viii", "ix", "x", "xi", "xii")
_LATER = ("xiii", "xiv", "xv", "xvi", "xvii", "xviii", "xix", "xx")
_VALUES = {word: str(n) for words in (_SPELT, _ROMAN + _LATER) for n, word in enumerate(words, 1)}
_SPELLINGS = {n: [word for word, value in _VALUES.items() if value == n] for n in _VALUES.values()}
_LETTER_NUMERALS = frozenset("ivx")
_BEFORE_NUMERALS = frozenset(("book", "chapter", "episode", "part", "pt", "teil", "vol", "volume"))
_LEADING = frozenset(
    (
        *("the", "a", "an", "la", "le", "les", "l", "el", "los", "las", "il", "lo", "gli"),
        *("der", "das", "un", "une", "det", "het"),
    )
)
"""Without those that are common words of other languages: die, den, de, ein, i."""


def trimmed(text: str) -> str:
    """Without blanks and byte order marks around it."""
    return text.strip(_BLANKS)


def fold(text: str) -> str:
    """Casefolded, without accents, in plain letters, with a keyboard's quotes and dashes, single spaces."""
    if text.isascii():
        return " ".join(text.lower().replace("`", "'").split())
    decomposed = unicodedata.normalize("NFKD", text.translate(_LETTERS)).casefold()  # "ℌ" decomposes to "H"
    decomposed = unicodedata.normalize("NFKD", decomposed)
    plain = "".join(c for c in decomposed if not unicodedata.combining(c))
    return " ".join(plain.translate(_LETTERS).split())


def words(text: str) -> list[str]:
    """The words, folded: letters and digits alone. An ideograph or kana is a word by itself, "&" is "and".

    "E.T." is one word, "schindler's" is "schindlers", "l'avventura" two words.
    """
    folded = fold(text)
    if "." in folded:
        folded = _ACRONYM.sub(lambda match: match[0].replace(".", ""), folded)
    if "'" in folded:
        folded = _ENDING.sub("", folded)
    if "&" in folded or "+" in folded:
        folded = _AND.sub(" and ", folded)
    if folded.isascii():
        return _PARTS.findall(folded)
    return "".join(map(_word_part, _IDEOGRAPH.sub(r" \g<0> ", folded))).split()


def _word_part(character: str) -> str:
    """Vowel signs of Indic scripts are no letters to Python, but parts of a word."""
    return character if character.isalnum() or unicodedata.category(character)[0] == "M" else " "


def compact(text: str) -> str:
    """Folded letters and digits only: the same for "WALL·E", "Wall-E" and "walle"."""
    return "".join(words(text))


def numerals(found: Sequence[str]) -> list[str]:
    """Words with their numbers in digits, Roman ones up to XX and spelt ones up to twelve: II and two are 2.

    Roman ones count after the first word; a single letter only at the end or after a word such as "part", so
    that "V for Vendetta" and "What I Did" stay as they are, and "Rocky V" is "rocky 5".
    """
    if _VALUES.keys().isdisjoint(found):
        return list(found)
    return [_in_digits(found, place) for place in range(len(found))]


def _in_digits(found: Sequence[str], place: int) -> str:
    word = found[place]
    if word not in _VALUES or word in _SPELT:
        return _VALUES.get(word, word)
    if place == 0:
        return word
    is_number = place == len(found) - 1 or found[place - 1] in _BEFORE_NUMERALS
    return _VALUES[word] if is_number or word not in _LETTER_NUMERALS else word


def numeral_words() -> list[str]:
    """The words that may be numbers: Roman ones up to XX and spelt ones up to twelve."""
    return list(_VALUES)


def spellings(word: str) -> list[str]:
    """The word, and what else a number may be written as: of "ii" also "2" and "two".

    A single letter comes only with digits, and a spelt number never with a single letter.
    """
    digits = _VALUES.get(word, word)
    if word in _LETTER_NUMERALS:
        return [word, digits]
    others = [digits, *_SPELLINGS.get(digits, ())]
    if word in _SPELT:
        others = [other for other in others if other not in _LETTER_NUMERALS]
    return list(dict.fromkeys((word, *others)))


def without_article(found: Sequence[str]) -> list[str]:
    """Words without a leading article, unless it is all there is."""
    return list(found[1:]) if len(found) > 1 and found[0] in _LEADING else list(found)


def name_key(text: str) -> str:
    """The form in which whole titles are compared: compact, without leading article, numbers in digits.

    Of a title without letters and digits, such as "$", what it is made of.
    """
    return _key(words(text)) or "".join(c for c in fold(text) if c.isprintable() and c != " ")


def _key(found: Sequence[str]) -> str:
    return "".join(numerals(without_article(found)))


def names(title: str) -> list[str]:
    """The names in a title: it without its asides in parentheses, then each of these, articles in front.

    "City of Lost Children, The (Cité des enfants perdus, La)" has two.
    """
    if "(" not in title:
        return [leading_article(title.strip())]
    asides = [_AKA.sub("", aside.strip()) for aside in _ASIDE.findall(title)]
    head = _ASIDE.sub("", title).strip()
    return [leading_article(name) for name in (head, *asides) if name] or [title]


def terms(title: str, found: Sequence[str] | None = None) -> list[str]:
    """By what a search finds a title: its words, and each of its names as `name_term` writes it.

    `found`: its words, from a caller that has them, which saves most of the work.
    """
    found = words(title) if found is None else found
    if found and "(" not in title and ", " not in title:  # it is its only name
        whole = [_name_term(_key(found))]
    else:
        whole = [name_term(name) for name in names(title)]
    return list(dict.fromkeys([word[:LONGEST_TERM] for word in found] + whole))


def name_term(name: str) -> str:
    """ "=" and the key of a whole name; a sign that is neither letter nor digit by its number."""
    return _name_term(name_key(name))


def _name_term(key: str) -> str:
    if not key.isalnum():
        key = "".join(c if c.isalnum() or not c.isascii() else f"u{ord(c):x}" for c in key)
    return (NAME + key)[:LONGEST_TERM]


def leading_article(text: str, *, any_case: bool = False) -> str:
    """ "Matrix, The" as "The Matrix". `any_case`: also "matrix, the", as people type."""
    if ", " not in text or not (match := (_ARTICLE_TYPED if any_case else _ARTICLE).match(text)):
        return text
    space = "" if match["article"][-1] in "'’" else " "
    return f"{match['article']}{space}{match['rest']}{match['aside'] or ''}"


_ARTICLE_TYPED = re.compile(_TRAILING, re.IGNORECASE)


def split_title(text: str) -> tuple[str, int | None]:
    """Read a catalogue title such as "Matrix, The (1999)": ("The Matrix", 1999)."""
    text, year = text.strip(), None
    if match := _YEAR.match(text):
        text, year = match["title"], int(match["year"])
    return leading_article(text), year
