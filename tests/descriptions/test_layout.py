"""The canonical layout: what it looks like, and that it changes nothing, twice no more than once."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nm.descriptions.layout import WIDTH, laid_out
from nm.descriptions.lexer import END, source, tokens
from nm.descriptions.problems import Flawed
from tests.descriptions.grammar import Grammar
from tests.descriptions.say import EXAMPLES, LIBRARY, text_behind
from tests.descriptions.sound import description

UNTIDY = r"""/* Head
   * of the file
     text */


#include    "org/smartfrog/components.sf";   // comps
a 1 b 2;;
A extends B , { x 1 } ; // after A
A2 extends
// own line
B { }
[sfTemp,sfFinal] t (a++b) ; v [1,2 , // two
3 ] // three
;
w // null
; s ##multi
   line# q "\u0022;
e extends { }; e2 extends { // in
        a 1;


  // end

}
f IF true THEN 1 ELSE (extends { a 1 /* c */ } ) FI
l [| 1,2|] l2 [||] l3 [] ; n ( ! true) ; x LAZY a : HERE b
// last"""
TIDY = r"""/* Head
 * of the file
     text */

#include "org/smartfrog/components.sf" // comps
a 1;
b 2;
A extends B, {
  x 1;
} // after A
A2 extends
  // own line
  B { }
[sfTemp, sfFinal] t (a++b);
v [1, 2, // two
  3]; // three
w; // null
s ##multi
   line#;
q "\u0022;
e extends { }
e2 extends { // in
  a 1;

  // end
}
f IF true THEN 1 ELSE (extends {
  a 1; /* c */
}) FI;
l [| 1, 2 |];
l2 [| |];
l3 [];
n (! true);
x LAZY a:HERE b;
// last
"""


def test_an_example() -> None:
    assert laid_out("t", UNTIDY) == TIDY
    assert laid_out("t", TIDY) == TIDY


def test_a_file_in_extends_and_an_empty_one() -> None:
    assert laid_out("t", "extends{a 1 b extends{}}") == "extends {\n  a 1;\n  b extends { }\n}\n"
    assert laid_out("t", " \n\n ") == ""
    assert laid_out("t", "\n// only this ") == "// only this\n"


def test_a_long_line_is_broken_behind_commas_and_operators() -> None:
    names = [f"name{n:02}" for n in range(60)]
    for sign in (",", " ++", " <>"):
        body = f"{sign} ".join(names)
        made = laid_out("t", f"a {'[' if sign == ',' else '('}{body}{']' if sign == ',' else ')'};")
        assert max(map(len, made.splitlines())) <= WIDTH
        assert made.count("\n") < 8
        assert laid_out("t", made) == made


def test_what_is_no_description_is_refused_with_all_that_is_wrong() -> None:
    with pytest.raises(Flawed) as caught:
        laid_out("t", 'a +1; b [1; c "\n')
    assert [problem.position for problem in caught.value.problems] == [(1, 3), (1, 11), (1, 15)]


def test_what_it_includes_need_not_be_there() -> None:
    assert laid_out("t", '#include "none.sf"a 1') == '#include "none.sf"\na 1;\n'


BETWEEN = (
    "",
    "",
    "",
    "",
    " ",
    "\n",
    "\n\n\n",
    "\t",
    "\r\n",
    "/* c */",
    "/* c\n * d\n e */",
    "// c\n",
    "\n// c\n",
    "\f",
)


def words(text: str, comments: bool = False) -> list[str]:
    kinds = {"blank"} if comments else {"blank", "comment"}
    return [
        "".join(token.text.split())
        for token in tokens(source("t", text), left_out=frozenset(kinds))
        if token.kind not in {";", END}
    ]


def untidy(text: str, chance: random.Random) -> str:
    """The same words with other blanks between them, and comments."""
    read = source("t", text)
    said = [token.text for token in tokens(read) if token.kind != END]
    return "".join(f"{word} {''.join(chance.choices(BETWEEN, k=2))}" for word in said)


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.integers(0, 2**32), st.booleans())
def test_nothing_is_lost_and_twice_is_as_once(seed: int, sound: bool) -> None:
    chance = random.Random(seed)
    text = untidy(description(seed) if sound else Grammar(chance, 2, exact=True).file(), chance)
    made = laid_out("t", text)
    assert words(made, comments=True) == words(text, comments=True)
    assert laid_out("t", made) == made
    assert text_behind("raw", made) == text_behind("raw", text)


@pytest.mark.parametrize("name", LIBRARY)
def test_the_library_is_laid_out(name: str) -> None:
    assert laid_out(name, LIBRARY[name]) == LIBRARY[name]
