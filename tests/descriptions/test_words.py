"""Of the words of the language what the conformance suite does not say."""

from tests.descriptions.say import meaning, mistakes, wrong


def test_a_byte_order_mark_is_refused() -> None:
    assert wrong("\ufeffsfConfig extends { }") == "a byte-order mark"


def test_a_file_may_stand_in_extends() -> None:
    assert meaning("extends { sfConfig extends { a 1; } }") == "a 1;"


def test_a_mark_is_right_behind_decoded_characters() -> None:
    problem = mistakes("sfConfig extends {\n \\u0061 1; \\uuu0062 \\u0063; }").problems[0]
    assert (problem.message, problem.position) == ("no c here, nor in any component around", (2, 12))
