"""What is said of a line that is wrong: what is missing or too much, and how to say it right."""

import pytest

from nm.shell.failures import Usage
from nm.shell.spl.grammar import Grammar, Row, fill, spoken
from nm.shell.spl.rows import ROWS, of_nmctl

GRAMMAR = Grammar((*ROWS, *of_nmctl()))
ALPHA = "as: create group alpha vlan 101 head-node h1"


@pytest.mark.parametrize(
    ("line", "message", "hint"),
    [
        ("add 1,4 alpha", "add: `to` is missing", "as: add 1,4 to alpha"),
        ("add", "add: the name of a node is missing", "as: add 1,4 to alpha"),
        ("add 1,4 to", "add: the name of a group is missing", "as: add 1,4 to alpha"),
        ("add 1,4 to alpha beta", "add: 'beta' is one word too many", "as: add 1,4 to alpha"),
        ("create group alpha vlan x", "create group: 'x' is not a VLAN's id", ALPHA),
        ("create group alpha vlan 1 h1", "create group: `head-node` is expected, not 'h1'", ALPHA),
        ("change alpha vlan 5", "change: `to` is expected, not '5'", "as: change alpha vlan to 102"),
        (
            "change alpha",
            "change: `vlan`, `head-node` or `image` is missing",
            "as: change alpha vlan to 102, or: change alpha head to h2",
        ),
        ("shw all", "no command shw", "did you mean show? `help` lists all"),
        ("xyzzy", "no command xyzzy", "`help` lists all"),
        (
            "show free vlna",
            "show free: 'vlna' is not known",
            "did you mean vlan? one of: node, head-node, vlan, port; `help show free` tells more",
        ),
        ("sh n", "'n' could be `network` or `node`", "write a letter more"),
        ("de", "'de' could be `destroy`, `deploy` or `delegate`", "write a letter more"),
        ("nic create 1 zz pxe", "nic create: 'zz' is not a MAC, as 52:54:00:00:00:01", "as: nic create 71"),
        ("exit now", "exit: 'now' is one word too many", "as: exit"),
    ],
)
def test_wrong(line: str, message: str, hint: str) -> None:
    with pytest.raises(Usage) as caught:
        GRAMMAR.match(line.split())
    assert caught.value.message == message
    assert caught.value.hint.startswith(hint)


def test_a_name_goes_before_nothing_that_is_spelled_out() -> None:
    """Names are never completed, and a keyword behind names is no name."""
    assert GRAMMAR.match(["add", "to", "to", "alpha"]).values == {"nodes": ["to"], "group": ["alpha"]}
    assert GRAMMAR.match(["change", "node", "n1", "a=b"]).values == {"node": ["n1"], "settings": ["a=b"]}
    assert GRAMMAR.match(["change", "node", "vlan", "to", "5"]).values == {"group": ["node"], "vlan": ["5"]}
    with pytest.raises(Usage):
        GRAMMAR.match(["add", "n1", "t", "alpha"])


def test_templates() -> None:
    template = "make {group} [--vlan {vlan}] [--nic boot,{mac}[,{port.0},{port.1}]] {more}"
    values = {"group": ["a b"], "more": ["x", "y"]}
    assert fill(template, values) == ["make", "a b", "x", "y"]
    values |= {"vlan": ["5"], "mac": ["m"], "more": []}
    assert fill(template, values) == ["make", "a b", "--vlan", "5", "--nic", "boot,m"]
    values |= {"port": ["sw0:1:2"]}
    assert fill(template, values)[-1] == "boot,m,sw0,1:2"


def test_patterns_for_people() -> None:
    assert spoken("create a|b <new:name> [vlan|net <vlan>] <more>* <some>+") == (
        "create a <new> [vlan <vlan>] [<more>...] <some>..."
    )


def test_of_two_rows_the_first_counts() -> None:
    rows = [Row("see <group>", "", "one"), Row("see all", "", "two")]
    assert Grammar(rows).match(["see", "all"]).form.row is rows[0]


def test_all_of_nmctl_is_there() -> None:
    assert GRAMMAR.match(["group", "status", "alpha"]).form.row.do == "group status {rest}"
    assert GRAMMAR.match(["whoami"]).form.row.do == "whoami {rest}"
    with pytest.raises(Usage, match="no command shell"):
        GRAMMAR.match(["shell"])
