"""What the words of the language are worth, and which are none (facts of the reference implementation)."""

import pytest

from tests.descriptions.say import inside, meaning, mistakes, wrong

VALUES = {
    # integers
    "a 1;": "a 1;",
    "a 007;": "a 7;",
    "a -5;": "a -5;",
    "a 2147483647;": "a 2147483647;",
    "a -2147483648;": "a -2147483648;",
    "a 5L;": "a 5L;",
    "a 9223372036854775807l;": "a 9223372036854775807L;",
    # numbers with a point
    "a 1.25;": "a 1.25d;",
    "a 1.5f;": "a 1.5f;",
    "a 1.5F;": "a 1.5f;",
    "a 1.5d;": "a 1.5d;",
    "a 1.;": "a 1.0d;",
    "a .5;": "a 0.5d;",
    "a -.5;": "a -0.5d;",
    "a 1e3;": "a 1000.0d;",
    "a 1e10;": "a 1.0E10d;",
    "a 0.0001;": "a 1.0E-4d;",
    "a 0.1f;": "a 0.1f;",
    "a 1.25e-3d;": "a 0.00125d;",
    # the rest of what is written as it is
    "a true; b false;": "a true; b false;",
    "a NULL;": "a;",
    "a;": "a;",
    'a "x";': 'a "x";',
    r'a "\n\t\b\r\f\\\'\"\101";': r'''a "\n\t\b\r\f\\'\"A";''',
    'a "// no /* comment */";': 'a "// no /* comment */";',
    'a "a\tb";': r'a "a\tb";',
    'a ##two\nlines "quoted" \\# hash#;': r'a "two\nlines \"quoted\" # hash";',
    "a ###;": 'a "";',
    "a ##has a # b;": 'a "has a "; b;',
    "a #HEX#00FF#;": "a #HEX#00FF#;",
    "a #HEX# 00\n\tff #;": "a #HEX#00FF#;",
    "a #DEC#000255#;": "a #HEX#00FF#;",
    "a #OCT#000377#;": "a #HEX#00FF#;",
    "a #BIN#0000000011111111#;": "a #HEX#00FF#;",
    "a [| 1, \"x\", true, NULL |];": 'a [| 1, "x", true, NULL |];',
    "a [||];": "a [| |];",
    "a [];": "a [| |];",
    "a [| [| 1 |], [| |] |];": "a [| [| 1 |], [| |] |];",
    "a DATA b:c;": "a DATA b:c;",
    "a [| DATA b |];": "a [| DATA b |];",
    # how words are cut
    "a 1 b 2": "a 1; b 2;",
    "a 1; ; ; b 2;;": "a 1; b 2;",
    "a 0x1F;": "a 0; x1F;",
    "a-b 1; c (a-b);": "a-b 1; c 1;",
    "a++b 1; c (a++b);": "a++b 1; c 1;",
    'a "x"; b "y"; c (a ++ b);': 'a "x"; b "y"; c "xy";',
    "test.timeout 3; a test.timeout;": "test.timeout 3; a 3;",
    "a#b 1;": "a#b 1;",
    "é 1; b é;": "é 1; b 1;",
    '"extends" 1; a ATTRIB "extends";': '"extends" 1; a 1;',
    '"two words" 1; a ATTRIB "two words";': '"two words" 1; a 1;',
    "a // comment\n 1; // another\n b 2;": "a 1; b 2;",
    "a /* b 1; */ 2; /** c **/": "a 2;",
    "a //\n1;": "a 1;",
    "a (3 - -2);": "a 5;",
    r"\u0061 1;": "a 1;",
    r"a \u0022x\u0022;": 'a "x";',
    'a "日本";': 'a "日本";',
    "a 1; a 2;": "a 2;",
    "a 1; b 2; a 3;": "a 3; b 2;",
}  # fmt: skip


@pytest.mark.parametrize("written", VALUES)
def test_a_value(written: str) -> None:
    assert inside(written) == VALUES[written]


MISTAKES = {
    "a 2147483648;": "2147483648 does not fit into 32 bits",
    "a 9223372036854775808L;": "9223372036854775808 does not fit into 64 bits",
    "a +5;": "+ is no value",
    "a 1; b (a -3);": "-3 stands where ) is wanted",
    'a "x\ny";': "this string does not end on its line",
    'a "\\x";': "no such escape",
    'a "\\400";': "no such escape",
    "a /* b;": "this comment does not end",
    "a ##x;": "this text does not end",
    "a #HEX#0#;": "#HEX# takes 2 digits for each byte",
    "a #DEC#256#;": "#DEC# takes bytes from 0 to 255",
    "a #OCT#400#;": "#OCT# takes bytes from 0 to 255",
    "a #HEX#0\r0#;": "#HEX# takes 2 digits for each byte",
    "a #B64#AAAA#;": "#B64# is not part of the language",
    "a 日;": "no word begins with 日",
    "a [|x|];": "x| is no value",
    "a [|x |];": "x is no value",
    "a [1,];": "a value is missing",
    "a [extends { }];": "extends is no value",
    "a VAR b;": "VAR needs a solver of constraints, which nm has not",
    "extends 1;": "extends does not belong here",
    "a extends;": "extends what?",
    "a extends:odd { }": "no kind of component odd",
    "a (1 + 2 * 3);": "a second operator *",
    "a (5 - 2 - 1);": "a second operator -",
    "a 1 + 2;": "+ does not belong here",
    "a LAZY LAZY b;": "LAZY is no part of a reference",
    "a OPTIONAL LAZY b;": "LAZY is no part of a reference",
    '"a":b 1;': ": is no value",
    "a }": "} is no value",
    "ROOT 1;": "ROOT does not belong here",
    "--:a 1;": ": is no value",
    "a SWITCH ENDSWITCH;": "a SWITCH without a case",
    "#codebase \"x\" #include \"y\"": "#codebase: nm loads no classes",
}  # fmt: skip


@pytest.mark.parametrize("written", MISTAKES)
def test_what_is_not_in_the_language(written: str) -> None:
    assert wrong(f"sfConfig extends {{ {written} }}") == MISTAKES[written]


def test_a_byte_order_mark_is_refused() -> None:
    assert wrong("\ufeffsfConfig extends { }") == "a byte-order mark"


def test_a_file_may_stand_in_extends() -> None:
    assert meaning("extends { sfConfig extends { a 1; } }") == "a 1;"


def test_a_mark_is_right_behind_decoded_characters() -> None:
    problem = mistakes("sfConfig extends {\n \\u0061 1; \\uuu0062 \\u0063; }").problems[0]
    assert (problem.message, problem.position) == ("no c here, nor in any component around", (2, 12))


def test_decimals_can_be_those_of_the_reference() -> None:
    from nm.descriptions.compiler import compile as compile_description

    for said, worth in {"1.25": "1.2f", "1.5": "1.0f", "1.5d": "1.5d"}.items():
        made = compile_description("t", f"sfConfig extends {{ a {said}; }}", decimals="reference")
        assert f"a {worth};" in made.text()
    for said in ("1e3", ".5"):
        with pytest.raises(Exception, match=f"{said} is no number for the reference"):
            compile_description("t", f"sfConfig extends {{ a {said}; }}", decimals="reference")
