"""Texts to words. One regular expression knows all of them; their order makes the longest win."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from nm.descriptions.problems import Mark, Problem, Source, Wrong

RESERVED = frozenset(
    [
        "APPLY",
        "ASSERT",
        "ATTRIB",
        "DATA",
        "extends",
        "false",
        "HERE",
        "HOST",
        "PROPERTY",
        "IPROPERTY",
        "ENVPROPERTY",
        "IENVPROPERTY",
        "CONSTANT",
        "LAZY",
        "NULL",
        "OPTIONAL",
        "PARENT",
        "PROCESS",
        "ROOT",
        "TBD",
        "THIS",
        "true",
        "IF",
        "THEN",
        "ELSE",
        "FI",
        "SWITCH",
        "ENDSWITCH",
        "VAR",
    ]
)
LETTER = "A-Za-z_$¢-¥ªµºÀ-ÖØ-öø-ÿ"
ESCAPE = r"\\(?:[ntbrf\\'{quote}]|[0-3][0-7][0-7])"
EXPONENT = r"[eE][+-]?[0-9]+"
KINDS = {
    "blank": r"[ \t\n\r\f]+|//[^\n\r]*|/\*(?s:.*?)\*/",
    "string": r'"(?:[^"\\\n\r]|' + ESCAPE.format(quote='"') + r')*+"',
    "bytes": r"#(?:HEX|DEC|OCT|BIN|B64)#[^#]*#",
    "directive": r"#include\?|#include|#codebase",
    "text": r"##(?:[^#\\]|" + ESCAPE.format(quote="#") + r")*+#",
    "decimal": rf"-?(?:[0-9]+\.[0-9]*(?:{EXPONENT})?|\.[0-9]+(?:{EXPONENT})?|[0-9]+{EXPONENT})[fFdD]?",
    "integer": r"-?[0-9]+[lL]?",
    "xor": r"x\|",
    "word": rf"[{LETTER}][{LETTER}0-9.\-+@#~%^&]*",
    "sign": r"\[\||\|\]|<>|==|!=|>=|<=|&&|\|\||->|\+\+|--|[{}\[\]():;,<>+\-*%!]|/(?!\*)",
}
WORDS = re.compile("|".join(f"(?P<{kind}>{pattern})" for kind, pattern in KINDS.items()))
WORD = re.compile(KINDS["word"])
UNICODE = re.compile(r"(?<!\\)((?:\\\\)*)\\u+([0-9A-Fa-f]{4})")
ESCAPED = re.compile(r"\\([0-7]{3}|.)", re.DOTALL)
MEANINGS = {"n": "\n", "t": "\t", "b": "\b", "r": "\r", "f": "\f"}
END = "end"


class Token(NamedTuple):
    """A word. `kind`: string, text, bytes, decimal, integer, word; or a reserved word, or a sign."""

    kind: str
    text: str
    offset: int


def source(name: str, written: str) -> Source:
    r"""A text as the lexer wants it: \\uXXXX mean their character, wherever they stand."""
    if "\\u" not in written:
        return Source(name, written, written)
    pieces: list[str] = []
    shifts: list[tuple[int, int]] = []
    done = length = 0
    for match in UNICODE.finditer(written):
        kept = written[done : match.start()] + match[1]
        pieces += [kept, chr(int(match[2], 16))]
        done = match.end()
        length += len(kept) + 1
        shifts.append((length - 1, done - length))
    return Source(name, "".join([*pieces, written[done:]]), written, shifts)


def tokens(source: Source) -> Iterator[Token]:
    """The words of a text, one of kind END behind them; raises Wrong at what is none."""
    text, place = source.text, 0
    match_at = WORDS.match
    while place < len(text):
        match = match_at(text, place)
        if match is None:
            raise Wrong(_mistake(source, place))
        kind, said = match.lastgroup or "", match[0]
        if kind != "blank":
            named = kind in {"sign", "directive", "xor"} or (kind == "word" and said in RESERVED)
            yield Token(said if named else kind, said, place)
        place = match.end()
    yield Token(END, "", place)


def unescaped(token: Token) -> str:
    """What a string, or a text of several lines, says."""
    inside = token.text[1:-1] if token.kind == "string" else token.text[2:-1]
    return ESCAPED.sub(_character, inside) if "\\" in inside else inside


def _character(match: re.Match[str]) -> str:
    said = match[1]
    return chr(int(said, 8)) if len(said) == 3 else MEANINGS.get(said, said)


def _mistake(source: Source, place: int) -> Problem:
    """What is wrong where no word begins."""
    text, mark = source.text, Mark(source, place)
    begun = text[place]
    if text.startswith("/*", place):
        return Problem("this comment does not end", "end it with */", mark)
    if begun == '"' or text.startswith("##", place):
        return _bad_string(source, place)
    if re.compile(r"#(?:HEX|DEC|OCT|BIN|B64)#").match(text, place):
        return Problem("these bytes do not end", "end them with #", mark)
    if begun == "\ufeff":
        return Problem("a byte-order mark", "save the file as UTF-8 without one", mark)
    shown = begun if begun.isprintable() else f"\\u{ord(begun):04X}"
    hint = (
        "letters beyond Latin-1 stand in strings only"
        if begun.isalpha()
        else "put it into a string, or remove it"
    )
    return Problem(f"no word begins with {shown}", hint, mark)


def _bad_string(source: Source, place: int) -> Problem:
    """A string without end, or with an escape that there is not."""
    text, quote = source.text, source.text[place]
    ends = r"[^\"\\\n\r]" if quote == '"' else r"[^#\\]"
    good = re.compile(rf"(?:{ends}|{ESCAPE.format(quote=quote)})*+").match(
        text, place + (1 if quote == '"' else 2)
    )
    stop = good.end() if good else place
    if text.startswith("\\", stop):
        allowed = f"""there are \\n \\t \\b \\r \\f \\\\ \\' \\{quote} and three octal digits"""
        return Problem("no such escape", allowed, Mark(source, stop))
    if quote == '"':
        return Problem(
            "this string does not end on its line", 'end it with ", or write ## ... #', Mark(source, place)
        )
    return Problem("this text does not end", "end it with #; a # inside is \\#", Mark(source, place))
