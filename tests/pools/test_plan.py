"""Plans: what becomes of each part when a description changes, why, and in which order."""

from dataclasses import replace

import pytest

from nm.pools.differences import Standing, same
from nm.pools.keeping import on_host
from nm.pools.plan import Plan, plan
from nm.pools.tree import Path, Tree
from tests.pools.world import parts, pool

DISK = 'disk extends LoopbackStorageBackend { baseImage "/one"; }'
DOMAIN = 'vm extends Domain { hostname "h"; storageBackend LAZY ATTRIB disk; }'


def deployed(tree: Tree, **states: str) -> dict[Path, Standing]:
    """That tree as it runs, but for the parts that are named."""
    return {
        path: Standing(part, state, worth=tree.worths(part))
        for path, part in tree.parts.items()
        if (state := states.get("_".join(path) or "whole", "running"))
    }


def planned(before: str, after: str, **states: str) -> Plan:
    return plan(pool(after), deployed(pool(before), **states))


def said(made: Plan) -> list[str]:
    return [line.strip() for line in made.lines()]


def steps(made: Plan) -> dict[str, set[str]]:
    return {step.id: set(step.needs) for step in made.steps}


def test_nothing_to_do() -> None:
    made = planned(f"{DISK} {DOMAIN}", f"{DISK} {DOMAIN}")
    assert (made.changes, made.steps) == ((), ())


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("memory 512;", "memory 1024;", "change: memory 512 -> 1024 (now)"),
        ("memory 512;", "memory 1025;", "restart: memory 512 -> 1025 (restart)"),
        ("maxMemory 4096;", "maxMemory 4096; memory 4096;", "change: memory added: 4096 (now)"),
        ("", "memory 512;", "change: memory added: 512 (now)"),
        ("vcpus 2;", "vcpus 1;", "change: vcpus 2 -> 1 (now)"),
        ("", 'kernel "/k";', "restart: kernel added: '/k' (restart)"),
        ("shutdownTimeout 5;", "shutdownTimeout 9;", "change: shutdownTimeout 5 -> 9 (termination)"),
        ('ip "10.0.0.1";', 'ip "10.0.0.2";', "replace: ip '10.0.0.1' -> '10.0.0.2' (replace)"),
        ("", "mine 1;", "change: mine added: 1 (now)"),
        ("mine 1;", "mine true;", "change: mine 1 -> true (now)"),
        ("", "sfMine 1;", "replace: sfMine added: 1 (replace)"),
        ("sfMine 1;", "", "change: sfMine removed: 1 (now)"),
        ('userData "a";', 'userData "b";', "replace: userData (not shown) -> (not shown) (replace)"),
    ],
)
def test_what_a_change_of_one_attribute_means(before: str, after: str, expected: str) -> None:
    made = planned(*(f'vm extends Domain {{ hostname "h"; {text} }}' for text in (before, after)))
    (change,) = made.changes
    assert f"{change.action}: {change.differences[0]} ({change.differences[0].effect})" == expected


def test_secrets_are_not_shown() -> None:
    made = planned(
        *(f'vm extends Domain {{ hostname "h"; userData "{word}"; }}' for word in ("old-1", "new-2"))
    )
    assert "old-1" not in f"{made.public()}{said(made)}"
    assert "new-2" not in f"{made.public()}{said(made)}"


LED = 'a extends P { v 512; } vm extends Domain { hostname "h"; memory LAZY ATTRIB a:v; }'


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        ("v 1024;", "change vm: memory LAZY a:v leads to another value (now)"),
        ("v 2048;", "restart vm: memory LAZY a:v leads to another value (restart)"),
        ("v LAZY w; w 600;", "change vm: memory LAZY a:v leads to another value (now)"),
        ("v LAZY w; w 512;", ""),
        ("v 512; sfMine 1;", ""),
    ],
)
def test_a_value_that_a_reference_leads_to_is_part_of_the_plan(after: str, expected: str) -> None:
    _, *others = planned(LED, LED.replace("v 512;", after)).changes
    said = [
        f"{one.action} {one.path[-1]}: {one.differences[0]} ({one.differences[0].effect})" for one in others
    ]
    assert said == ([expected] if expected else [])


def test_what_changes_it_comes_before_what_it_leads_to() -> None:
    assert steps(planned(LED, LED.replace("512", "1024")))["change vm"] == {"change a"}


def test_a_value_in_place_of_a_reference_is_measured_by_what_that_led_to() -> None:
    for size, action in ((1024, "change"), (1025, "restart")):
        made = planned(LED, LED.replace("LAZY ATTRIB a:v", str(size)))
        assert [change.action for change in made.changes] == [action]


def test_what_a_reference_leads_to_is_not_shown() -> None:
    text = (
        'a extends P {{ v LAZY ATTRIB userData; userData "{}"; }} vm extends Domain {{ hostname LAZY a:v; }}'
    )
    made = planned(*(text.format(word) for word in ("old-1", "new-2")))
    assert [change.action for change in made.changes] == ["change", "replace"]  # a, and what it leads
    assert "old-1" not in f"{made.public()}{said(made)}"
    assert "new-2" not in f"{made.public()}{said(made)}"


def test_how_it_was_started_counts_not_how_it_was_changed_since() -> None:
    was, wanted = (
        pool('vm extends Domain { hostname "h"; memory 1024; }'),
        pool('vm extends Domain { hostname "h"; memory 2048; }'),
    )
    standing = deployed(was)
    assert plan(wanted, standing).changes[0].action == "change"
    standing["vm",] = Standing(was.parts["vm",], "running", {"memory": 512})
    assert plan(wanted, standing).changes[0].action == "restart"


def test_a_first_plan_makes_all_and_prepares_nothing() -> None:
    made = plan(pool(f"{DISK} {DOMAIN}"), {})
    assert [(change.path, change.action) for change in made.changes] == [
        ((), "create"), (("disk",), "create"), (("vm",), "create")
    ]  # fmt: skip
    assert [step.what for step in made.steps] == ["construct"] * 3 + ["deploy"] * 3 + ["start"] * 3
    assert steps(made)["start vm"] == {"start disk", "start sfConfig"}


def test_nothing_wanted_takes_all_down_in_reverse() -> None:
    made = plan(None, deployed(pool(f"{DISK} {DOMAIN}")))
    assert [step.id for step in made.steps] == ["terminate vm", "terminate disk", "terminate sfConfig"]
    assert steps(made)["terminate disk"] == {"terminate vm"}


def test_hosts_need_nothing_of_each_other_but_by_references() -> None:
    host = '{name} extends C {{ sfProcessHost "{name}"; a extends P; b extends P {{ {need} }} }}'
    text = host.format(name="one", need="") + host.format(name="two", need="x LAZY ATTRIB one:a;")
    needs = steps(plan(pool(text), {}))
    assert needs["start two:a"] == {"start two"}
    assert needs["start one:b"] == {"start one", "start one:a"}
    assert needs["start two:b"] == {"start two", "start two:a", "start one:a"}
    assert steps(plan(None, deployed(pool(text))))["terminate one:a"] == {
        "terminate one:b",
        "terminate two:b",
    }


def test_what_needs_what_is_replaced_stops_before_and_starts_behind() -> None:
    made = planned(f"{DISK} {DOMAIN}", f"{DISK.replace('one', 'two')} {DOMAIN}")
    assert said(made) == [
        "-/+ replace disk (LoopbackStorageBackend)",
        "baseImage '/one' -> '/two' (replace)",
        "~   restart vm (Domain): disk is made anew",
    ]
    assert [step.id for step in made.steps] == [
        "prepare disk", "prepare vm", "stop vm", "terminate disk", "change vm",
        "construct disk", "deploy disk", "start disk", "start vm",
    ]  # fmt: skip
    assert steps(made)["terminate disk"] == {"stop vm"}
    assert steps(made)["start vm"] == {"start disk"}


def test_a_shell_that_is_replaced_concerns_no_domain() -> None:
    vm = 'vm extends Domain { hostname "h"; shell LAZY ATTRIB sh; }'
    text = f'sh extends BashShell {{ sfProcessName "a"; }} {vm}'
    assert [change.path for change in planned(text, text.replace('"a"', '"b"')).changes] == [("sh",)]


def test_a_reference_that_leads_elsewhere_is_a_difference() -> None:
    other = 'other extends LoopbackStorageBackend { baseImage "/one"; }'
    inner = 'c extends C {{ {disk} vm extends Domain {{ hostname "h"; storageBackend LAZY ATTRIB disk; }} }}'
    made = planned(f"{DISK} {inner.format(disk='')}", f"{DISK} {inner.format(disk=DISK)}")
    assert [(change.path, change.action) for change in made.changes] == [
        (("c", "disk"), "create"), (("c", "vm"), "restart")
    ]  # fmt: skip
    assert said(planned(f"{DISK} {other} {DOMAIN}", f"{DISK} {other} {DOMAIN.replace('disk', 'other')}")) == [
        "~   restart vm (Domain)", "storageBackend LAZY disk -> LAZY other (restart)"
    ]  # fmt: skip


def test_a_disk_that_a_reference_leads_to_no_more_is_off_before_it_goes() -> None:
    inner = 'c extends C {{ {disk} vm extends Domain {{ hostname "h"; storageBackend LAZY ATTRIB disk; }} }}'
    made = planned(f"{DISK} {inner.format(disk=DISK)}", f"{DISK} {inner.format(disk='')}")
    assert [(change.path, change.action) for change in made.changes] == [
        (("c", "vm"), "restart"), (("c", "disk"), "destroy")
    ]  # fmt: skip
    assert steps(made)["terminate c:disk"] == {"stop c:vm"}


def test_all_inside_goes_with_what_is_replaced() -> None:
    made = planned(
        'c extends C { sfProcessHost "a"; x extends P; y extends P; }',
        'c extends C { sfProcessHost "b"; x extends P; }',
    )
    actions = {change.path: change.action for change in made.changes}
    assert actions == {("c",): "replace", ("c", "x"): "replace", ("c", "y"): "destroy"}


def test_what_is_not_there_is_created_and_what_is_half_made_is_completed() -> None:
    text = f"{DISK} {DOMAIN} p extends P;"
    assert said(planned(text, text, vm="", p="initialized")) == [
        "+   create vm (Domain)", "+   create p (Prim): it was left half made"
    ]  # fmt: skip
    assert said(planned(text, text, disk="ended")) == [
        "+   create disk (LoopbackStorageBackend): it has ended", "~   restart vm (Domain): disk is created"
    ]  # fmt: skip
    half = planned(text, text.replace("/one", "/two"), disk="created", vm="")
    assert half.changes[0].action == "replace"


SEQUENCE = "s extends Sequence { x extends P; y extends Compound { a extends P { v 1; } } z extends P; }"


def waiting(after: str) -> Plan:
    """Of that sequence, whose first action runs."""
    tree = pool(SEQUENCE)
    behind = {path for path in tree.parts if path[:2] in (("s", "y"), ("s", "z"))}
    turns = {path: replace(one, state="") for path, one in deployed(tree).items() if path in behind}
    return plan(pool(after), {**deployed(tree), **turns})


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("v 1;", "v 2;", [".   later s:y:a (Prim)", "v 1 -> 2 (now)"]),
        ("z extends P;", "z extends P; w extends P;", [".   later s:w (Prim)"]),
        ("a extends P {", "b extends P; a extends P {", [".   later s:y:b (Prim)"]),
        (
            "y extends Compound {", "y extends Compound { syncTerminate true;",
            [".   later s:y (Compound)", "syncTerminate added: true (now)"],
        ),
        (
            " z extends P;", "",
            ["~   change s (Sequence)", "the order inside ['x', 'y', 'z'] -> ['x', 'y'] (now)"],
        ),
    ],
)  # fmt: skip
def test_what_a_combinator_makes_later_is_a_change_when_it_differs(
    old: str, new: str, expected: list[str]
) -> None:
    assert waiting(SEQUENCE).changes == ()
    made = waiting(SEQUENCE.replace(old, new))
    assert said(made) == expected
    assert all(step.path == ("s",) for step in made.steps)
    assert made.hash() != waiting(SEQUENCE).hash()


def test_another_order_of_components_is_a_change_of_what_is_around_them() -> None:
    made = planned("a extends P; b extends P; c extends P;", "c extends P; a extends P; d extends P;")
    assert said(made) == [
        "~   change sfConfig (Compound)", "the order inside ['a', 'c'] -> ['c', 'a'] (now)",
        "+   create d (Prim)", "-   destroy b (Prim)",
    ]  # fmt: skip


def test_a_combinator_makes_its_actions_itself() -> None:
    text = "s extends Sequence { x extends P; y extends P { v 1; } }"
    assert [(change.path, change.action) for change in plan(pool(text), {}).changes][1:] == [
        (("s",), "create"), (("s", "x"), "later"), (("s", "y"), "later")
    ]  # fmt: skip
    at_y = {"s_x": "ended"}
    assert said(planned(text, text, **at_y)) == []
    assert said(planned(text, text.replace("v 1", "v 2"), **at_y)) == [
        "~   change s:y (Prim)",
        "v 1 -> 2 (now)",
    ]
    again = planned(text, text.replace("Sequence {", "Sequence { sfMine 1;"), **at_y)
    assert [(change.path, change.action) for change in again.changes] == [
        (("s",), "replace"), (("s", "x"), "later"), (("s", "y"), "destroy")
    ]  # fmt: skip
    assert [step.id for step in again.steps] == [
        "prepare s", "terminate s:y", "terminate s", "construct s", "deploy s", "start s"
    ]  # fmt: skip


def test_what_joins_a_parallel_is_made_at_once() -> None:
    text = "s extends Parallel { x extends P; }"
    made = planned(text, "s extends Parallel { x extends P; y extends P; }")
    assert [(change.path, change.action) for change in made.changes] == [(("s", "y"), "create")]


def test_what_is_not_updatable_is_refused() -> None:
    made = planned("p extends P { sfUpdatable false; v 1; }", "p extends P { sfUpdatable false; v 2; }")
    assert made.refused == ("p is not updatable: it does not say sfUpdatable true",)
    assert not planned(
        "p extends P { sfUpdatable false; v 1; } q extends P;", "p extends P { sfUpdatable false; v 1; }"
    ).refused


def test_whether_it_is_updatable_may_be_said_elsewhere() -> None:
    text = "a extends P {{ k {}; }} p extends P {{ sfUpdatable LAZY a:k; v {}; }}"
    refused = ("p is not updatable: it does not say sfUpdatable true",)
    assert planned(text.format("false", 1), text.format("false", 2)).refused == refused
    assert planned(text.format("true", 1), text.format("true", 2)).refused == ()
    strict = f"sfUpdatable true; {text}".replace("P {{ k", "P {{ sfUpdatable true; k")
    for word, expected in (("true", ()), ("false", refused)):
        before, after = pool(strict.format(word, 1)), pool(strict.format(word, 2))
        assert plan(after, deployed(before), reference=True).refused == expected


SIZED = 'd extends LoopbackStorageBackend {{ baseImage "{}"; {} }}'
REFUSED = "d: size 4096 -> 1024: it is refused, for something would be lost; describe another component"


@pytest.mark.parametrize(
    ("before", "after", "action", "refused"),
    [
        (("x", "size 4096L;"), ("x", "size 8192L;"), "change", ()),
        (("x", ""), ("x", "size 4096L;"), "change", ()),
        (("x", "size 4096L;"), ("x", ""), "change", ()),
        (("x", "size 4096L;"), ("x", "size 1024L;"), "change", (REFUSED,)),
        (("x", "size 4096L;"), ("y", "size 1024L;"), "replace", ()),
    ],
)
def test_no_size_makes_a_disk_anew(
    before: tuple[str, str], after: tuple[str, str], action: str, refused: tuple[str, ...]
) -> None:
    made = planned(SIZED.format(*before), SIZED.format(*after))
    assert ([change.action for change in made.changes], made.refused) == ([action], refused)
    half = planned(SIZED.format(*before), SIZED.format(*after), d="initialized")
    assert half.refused == ()  # nobody has used it


def test_the_reference_is_stricter() -> None:
    before, after = "sfUpdatable true; p extends P { v 1; }", "sfUpdatable true; p extends P { v 2; }"
    made = plan(pool(after), deployed(pool(before)), reference=True)
    assert made.refused == ("p is not updatable: it does not say sfUpdatable true",)
    all_say = before.replace("v 1", "sfUpdatable true; v 1")
    assert plan(pool(all_say.replace("v 1", "v 2")), deployed(pool(all_say)), reference=True).refused == ()
    sync = plan(
        pool(all_say.replace("p extends P {", "p extends C { sfSyncTerminate false;")),
        deployed(pool(all_say)),
        reference=True,
    )
    assert sync.changes[0].action == "replace"
    root = plan(Tree(parts(f"sfConfig extends A {{ {all_say} }}")), deployed(pool(all_say)), reference=True)
    assert "the whole refuses the update: what begins with sf differs" not in root.refused
    root = plan(pool(f"sfMine 1; {all_say}"), deployed(pool(all_say)), reference=True)
    assert "the whole refuses the update: what begins with sf differs" in root.refused


def test_a_plan_has_a_name_that_another_world_changes() -> None:
    one, other = (
        planned("p extends P { v 1; }", "p extends P { v 2; }"),
        planned("p extends P { v 3; }", "p extends P { v 2; }"),
    )
    assert one.hash() == planned("p extends P { v 1; }", "p extends P { v 2; }").hash() != other.hash()


@pytest.mark.parametrize("before", ["", "p extends A { v 1; }"])
def test_its_name_tells_what_is_made(before: str) -> None:
    one, other = (planned(before, f"p extends P {{ v {value}; }}") for value in (1, 2))
    assert [change.action for change in one.changes] in (["create"], ["replace"])
    assert one.hash() != other.hash()


@pytest.mark.parametrize(
    ("one", "other"),
    [(1, True), (1, 1.0), ([1], [True]), ({"a": 0}, {"a": False}), ("1", 1), ([1], [1, 2]), (None, 0)],
)
def test_values_of_other_types_differ(one: object, other: object) -> None:
    assert same(one, one)
    assert not same(one, other)


def test_what_is_to_be_on_another_host_is_made_anew_there() -> None:
    found = parts(
        f'sfConfig extends C {{ {DISK} {DOMAIN} p extends P; h extends C {{ sfProcessHost "h"; {DISK} }} }}'
    )
    one, other = Tree(on_host(found, "one")), Tree(on_host(found, "other"))
    made = plan(other, deployed(one))
    assert said(made) == [
        "-/+ replace disk (LoopbackStorageBackend) on other", "sfProcessHost 'one' -> 'other' (replace)",
        "-/+ replace vm (Domain) on other", "sfProcessHost 'one' -> 'other' (replace)",
    ]  # fmt: skip
    text = 'vm extends Domain {{ hostname "h"; sfProcessHost "{}"; }}'
    assert len(planned(text.format("one"), text.format("other")).changes[0].differences) == 1


def test_what_had_its_turn_gets_nothing_new() -> None:
    """Nothing of it is there, so nothing can be made inside it."""
    text = "s extends Sequence {{ a extends C {{ p extends Prim; {more} }} b extends Prim; }}"
    before, over = text.format(more=""), {"s_a": "ended", "s_a_p": "ended"}
    assert planned(before, before, **over).changes == ()
    made = planned(before, text.format(more="q extends C { r extends Prim; }"), **over)
    assert [(change.path[-1], change.action) for change in made.changes] == [("q", "later"), ("r", "later")]
    assert made.steps == ()
