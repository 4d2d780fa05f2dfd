"""Texts to words. One regular expression knows all of them; their order makes the longest win."""

import re
from collections.abc import Callable, Iterator
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
PLAIN, PLAIN_TEXT = r'[^"\\\n\r]*', r"[^#\\]*"
# Plain characters, then escapes with plain ones behind them: none can be taken in two ways, so it takes as
# long as the text is. (Possessive repetitions of a choice go wrong in Python before 3.11.5.)
IN_STRING = f"{PLAIN}(?:{ESCAPE.format(quote=chr(34))}{PLAIN})*"
IN_TEXT = f"{PLAIN_TEXT}(?:{ESCAPE.format(quote='#')}{PLAIN_TEXT})*"
EXPONENT = r"[eE][+-]?[0-9]+"
KINDS = {
    "blank": r"[ \t\n\r\f]+",
    "comment": r"//[^\n\r]*|/\*(?s:.*?)\*/",
    "string": rf'"{IN_STRING}"',
    "bytes": r"#(?:HEX|DEC|OCT|BIN|B64)#[^#]*#",
    "directive": r"#include\?|#include|#codebase",
    "text": rf"##{IN_TEXT}#",
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
BLANKS = frozenset({"blank", "comment"})
EMPTY = {
    "word": "unreadable",
    "string": '""',
    "text": "###",
    "bytes": "#HEX##",
}  # read instead of one that is not whole
Report = Callable[[Problem], None]


def refuse(problem: Problem) -> None:
    """End at the first mistake."""
    raise Wrong(problem)


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


def tokens(source: Source, report: Report = refuse, left_out: frozenset[str] = BLANKS) -> Iterator[Token]:
    """The words of a text, one of kind END behind them. What is none is reported, and left out."""
    text, place = source.text, 0
    match_at = WORDS.match
    while place < len(text):
        match = match_at(text, place)
        if match is None:
            problem, kind, end = _mistake(source, place)
            report(problem)
            if kind:
                yield Token(kind, EMPTY[kind], place)
            place = end
            continue
        kind, said = match.lastgroup or "", match[0]
        if kind not in left_out:
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


def _mistake(source: Source, place: int) -> tuple[Problem, str, int]:
    """What is wrong where no word begins; the kind of word that was begun; and where to read on."""
    text, mark = source.text, Mark(source, place)
    begun = text[place]
    if text.startswith("/*", place):
        return Problem("this comment does not end", "end it with */", mark), "", len(text)
    if begun == '"' or text.startswith("##", place):
        return _bad_string(source, place)
    if re.compile(r"#(?:HEX|DEC|OCT|BIN|B64)#").match(text, place):
        return Problem("these bytes do not end", "end them with #", mark), "bytes", _line_end(text, place)
    if begun == "\ufeff":
        return Problem("a byte-order mark", "save the file as UTF-8 without one", mark), "", place + 1
    shown = begun if begun.isprintable() else f"\\u{ord(begun):04X}"
    letter = begun.isalpha()
    hint = "letters beyond Latin-1 stand in strings only" if letter else "put it into a string, or remove it"
    strange = re.compile(r"\w+|.", re.DOTALL).match(text, place)
    end = strange.end() if strange and letter else place + 1
    return Problem(f"no word begins with {shown}", hint, mark), "word" if letter else "", end


def _bad_string(source: Source, place: int) -> tuple[Problem, str, int]:
    """A string without end, or with an escape that there is not."""
    text, quote = source.text, source.text[place]
    kind, begin, inside, plain, any_ = (
        ("string", 1, IN_STRING, PLAIN, r"\\.")
        if quote == '"'
        else ("text", 2, IN_TEXT, PLAIN_TEXT, r"\\(?s:.)")
    )
    good = re.compile(inside).match(text, place + begin)
    whole = re.compile(f"{plain}(?:{any_}{plain})*{quote}").match(text, place + begin)
    stop = good.end() if good else place
    line = _line_end(text, place)
    if text.startswith("\\", stop):
        allowed = f"""there are \\n \\t \\b \\r \\f \\\\ \\' \\{quote} and three octal digits"""
        problem = Problem("no such escape", allowed, Mark(source, stop))
        return problem, kind, whole.end() if whole else line
    mark = Mark(source, place)
    if quote == '"':
        return (
            Problem("this string does not end on its line", 'end it with ", or write ## ... #', mark),
            kind,
            line,
        )
    return Problem("this text does not end", "end it with #; a # inside is \\#", mark), kind, len(text)


def _line_end(text: str, place: int) -> int:
    end = text.find("\n", place)
    return end if end >= 0 else len(text)
