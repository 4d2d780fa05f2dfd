"""The table of kinds says what the texts of the library say, and what is wrong with components."""

import pytest

from nm.descriptions.components import CLASS
from nm.descriptions.components import KINDS as CLASSES
from nm.descriptions.limits import Budget, Limits
from nm.descriptions.prototypes import resolve_prototypes
from nm.descriptions.reading import Reader
from nm.descriptions.values import Component, Scope
from nm.pools.attributes import EFFECTS
from nm.pools.checking import CHOICES, findings, unknown
from nm.pools.kinds import ALL, DISKS, KINDS, worth
from nm.pools.tree import Tree
from tests.descriptions.say import LIBRARY
from tests.pools.world import parts, pool

JAVA = {
    "anyClass": "Any",
    "java.lang.Boolean": "Boolean",
    "java.lang.Integer": "Integer",
    "java.lang.Long": "Long",
    "java.lang.String": "String",
    "java.util.Vector": "Vector",
    "org.smartfrog.sfcore.componentdescription.ComponentDescription": "CD",
    "org.smartfrog.sfcore.reference.Reference": "Reference",
}
# Not of a schema, but given by the prototype.
BY_PROTOTYPE = {"exec"}
Row = tuple[str, bool, bool, str]  # type, must, lazy, text


def library() -> dict[str, Component]:
    """The components of the library by their kinds, their prototypes resolved."""
    text = "".join(f'#include "{name}"\n' for name in LIBRARY)
    budget = Budget(Limits())
    root = Reader({}, LIBRARY, budget).read("all", text)
    resolve_prototypes(Scope(root), budget, {})
    found: dict[str, Component] = {}
    for attribute in root.attributes.values():
        component = attribute.value
        its_class = component.attributes.get(CLASS) if isinstance(component, Component) else None
        if its_class is not None and isinstance(its_class.value, str):
            found.setdefault(CLASSES[its_class.value], component)
    return found


def rows(component: Component) -> dict[str, Row]:
    """What its schemas say."""
    found: dict[str, Row] = {}
    for holder in component.attributes.values():
        if isinstance(holder.value, Component) and "sfAssertionPhase" in holder.value.attributes:
            for name, element in holder.value.attributes.items():
                if isinstance(name, str) and isinstance(element.value, Component):
                    found[name] = row(element.value)
    return found


def row(element: Component) -> Row:
    said = {str(name): attribute.value for name, attribute in element.attributes.items()}
    classes = said["class"] if not isinstance(said["class"], str) else (said["class"],)
    return JAVA[classes[0]], not said["optional"], said["binding"] == "lazy", said["description"]


SAID = library()


def test_every_kind_that_the_compiler_knows_is_in_the_table() -> None:
    assert set(KINDS) == set(CLASSES.values()) == set(SAID)


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.name)
def test_the_library_says_the_same(kind) -> None:  # type: ignore[no-untyped-def]
    known = {name: attribute for name, attribute in kind.known.items() if name not in BY_PROTOTYPE}
    said = {name: (it.type, it.must, it.lazy, it.text) for name, it in known.items()}
    assert said == rows(SAID[kind.name])


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.name)
def test_each_is_made_by_the_file_that_the_table_names(kind) -> None:  # type: ignore[no-untyped-def]
    for name in kind.written or (kind.name,):
        assert f"\n{name} extends " in f"\n{LIBRARY[kind.include]}" or kind.include.startswith(
            "org/smartfrog"
        )


def test_every_rule_says_what_it_may_choose_and_defaults_are_of_their_type() -> None:
    for kind in ALL:
        for attribute in kind.known.values():
            assert set(attribute.effects or {attribute.effect}) <= set(EFFECTS)
            words = isinstance(attribute.default, str) and attribute.type != "String"
            assert words or attribute.default is None or attribute.fits(attribute.default), attribute
            assert attribute.name not in CHOICES or attribute.default in {None, *CHOICES[attribute.name]}


def test_what_an_attribute_is_worth() -> None:
    domain = KINDS["Domain"]
    assert (worth(domain, {}, "memory"), worth(domain, {"memory": 9}, "memory")) == (512, 9)
    assert worth(domain, {}, "unheard") is None


def said_of(inside: str) -> list[str]:
    tree = pool(inside)
    found = [*findings(tree), *(finding for part in tree.parts.values() for finding in unknown(part))]
    return [f"{one.level}: {':'.join(one.path)}: {one.text}; {one.hint}" for one in found]


GUEST = 'd extends Domain {{ hostname "h"; {} }}'


@pytest.mark.parametrize(
    ("inside", "said"),
    [
        (GUEST.format("memori 5;"), "warning: d: Domain knows no memori; did you mean memory?"),
        (GUEST.format("xyzzy 5;"), "warning: d: Domain knows no xyzzy; it knows autostart, bridge,"),
        (GUEST.format("storageBackend LAZY nowhere;"), "error: d: storageBackend leads nowhere; name a"),
        (GUEST.format('graphics "tv";'), "error: d: graphics is 'tv'; it is one of none, vnc, spice"),
        ("p extends P; " + GUEST.format("storageBackend LAZY p;"), "error: d: storageBackend leads to a P"),
        (
            f'p extends {DISKS[0]} {{ baseImage "i"; sfProcessHost "h1"; }} '
            + GUEST.format("storageBackend LAZY p;"),
            "error: d: its disk is on h1; a domain runs where its disk is",
        ),
        ("d extends { }", "error: d: nm knows no such kind of component; let it extend one"),
        ("b extends P { n LAZY c; } c extends P;", "warning: b: it needs c, which stands behind it"),
    ],
)
def test_what_is_found(inside: str, said: str) -> None:
    (found,) = said_of(inside)
    assert found.startswith(said)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ('ip "10.0.0.300";', "ip '10.0.0.300' with netmask None"),
        ('ip "10.0.0.3"; netmask "255.0.255.0";', "ip '10.0.0.3' with netmask '255.0.255.0'"),
        ('n "255.0.255.0"; ip "10.0.0.3"; netmask LAZY n;', "ip '10.0.0.3' with netmask '255.0.255.0'"),
        ('gateway "home";', "gateway: 'home'"),
        ('mac "53:00:00:00:00:01";', "mac '53:00:00:00:00:01' is no NIC's"),
        ('uuid "1234";', "uuid '1234' is none"),
        ('domainName "my guest";', "'my guest' cannot be a domain's name"),
        ('domainName "nm-x";', "'nm-x' cannot be a domain's name"),
        (f'domainName "{"x" * 64}";', "'xxxx"),
    ],
)
def test_what_no_domain_can_have(more: str, said: str) -> None:
    found = [one for one in findings(pool(GUEST.format(more))) if one.level == "error"]
    assert [one.text.startswith(said) for one in found] == [True]
    assert all(one.hint and one.place for one in found)


def guest(name: str, more: str = "") -> str:
    return f'{name} extends Domain {{ hostname "{name}"; {more} }} '


ON_BRIDGE = 'bridge "br0"; '


@pytest.mark.parametrize(
    ("inside", "said"),
    [
        (guest("a") + guest("b", 'domainName "a";'), "b: domain a is that of a, too"),
        (guest("a") + "c extends C { " + guest("a") + "}", "c:a: domain a is that of a, too"),
        (guest("a") + guest("b", 'domainName "a"; sfProcessHost "h1";'), None),
        (guest("a", 'ip "fd00::1";') + guest("b", 'ip "fd00:0::1";'), "b: ip fd00:0::1 is that of a, too"),
        (guest("a", 'ip "10.0.0.1";') + guest("b", f'{ON_BRIDGE}ip "10.0.0.1";'), None),
        (guest("a", 'mac "52:54:00:00:00:0a";') + guest("b", 'mac "52:54:00:00:00:0A";'),
         "b: mac 52:54:00:00:00:0A is that of a, too"),
        ('m "52:54:00:00:00:0a"; ' + guest("a", "mac LAZY m;") + guest("b", "mac LAZY m;"),
         "b: mac 52:54:00:00:00:0a is that of a, too"),
        ("g extends Group { } " + guest("a", 'network LAZY ATTRIB g; ip "10.0.0.1";')
         + guest("b", 'network LAZY ATTRIB g; ip "10.0.0.1"; sfProcessHost "h1";'),
         "b: ip 10.0.0.1 is that of a, too"),
        (f"s extends Sequence {{ {guest('a')} c extends C {{ {guest('a')} }} }}", None),
        (f"s extends Parallel {{ {guest('a')} c extends C {{ {guest('a')} }} }}",
         "s:c:a: domain a is that of s:a, too"),
        (f"s extends Sequence {{ {guest('a')} }} {guest('a')}", "a: domain a is that of s:a, too"),
        (f"{guest('a')} s extends Sequence {{ {guest('a')} }}", "s:a: domain a is that of a, too"),
    ],
)  # fmt: skip
def test_what_two_domains_cannot_both_have(inside: str, said: str | None) -> None:
    errors = [one for one in findings(pool(inside)) if one.level == "error"]
    assert [f"{':'.join(one.path)}: {one.text}" for one in errors] == ([said] if said else [])


def test_circles_are_told_and_made_as_described() -> None:
    tree = pool("a extends P { n LAZY b; } b extends P { n LAZY a; }")
    assert list(tree.parts) == [(), ("b",), ("a",)]
    assert "it and a need each other" in findings(tree)[-1].text


@pytest.mark.parametrize("value", ['"many"', "true", "1.5", "[| 1 |]"])
def test_a_wrong_type_is_an_error_also_when_no_schema_has_seen_it(value: str) -> None:
    (found,) = findings(pool(f'd extends {{ sfClass "nm.Domain"; hostname "h"; memory {value}; }}'))
    assert (found.level, found.text.endswith("and must be an Integer")) == ("error", True)


def test_what_is_missing_is_an_error_also_when_no_schema_has_seen_it() -> None:
    found = findings(pool('d extends { sfClass "nm.Domain"; userData LAZY x; }'))
    assert [one.text.split(":")[0] for one in found] == ["hostname is missing", "userData leads nowhere"]


def test_secrets_are_not_shown() -> None:
    (found,) = findings(pool('d extends { sfClass "nm.Domain"; hostname "h"; userData [| "pass" |]; }'))
    assert "pass" not in str(found)
    assert "(not shown)" in str(found)


def test_what_is_wrong_has_its_line_and_column_wherever_it_stands() -> None:
    text = """sfConfig extends Sequence {
  actions extends DATA {
      a extends Try { action extends DATA P; normal extends DATA Domain { hostname "h"; onCrash "x"; } }
    b extends Domain { hostname "h"; onCrash "x"; }
  }
  handler extends Domain { hostname "h"; onCrash "x"; }
}"""
    lines = text.split("\n")
    wanted = {
        ("actions", "a", "normal"): (3, lines[2].index("extends DATA Domain")),
        ("actions", "b"): (4, lines[3].index("extends")),
        ("handler",): (6, lines[5].index("extends")),
    }
    found = findings(Tree(parts(f"\n{text}")))
    before = parts("\nsfConfig extends C;")[0].written[1] - 1
    assert {one.path: (one.written[1] - before, one.written[2] - 1) for one in found} == wanted
