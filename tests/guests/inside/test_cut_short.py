"""A hand killed after any of its steps, a libvirtd that ends, a start that fails: the next order mends it."""

from collections.abc import Callable
from typing import Any

from nm import machine_xml
from nm.errors import DeviceFailed
from nm.facts import Order, Value
from nm.guest_xml import GuestMark
from nm.hypervisor import Hypervisor
from nm.libvirt_host import LibvirtHost
from tests.guests.house import LONG, LXC, inside, kill_libvirtd, sh, start_libvirtd
from tests.guests.inside.conftest import Site, container, names
from tests.waiting import until

DOMAIN = "nm-sliver-a"
OFF = container("a", running=False)


class Killed(BaseException):
    """What stands for the end of the process: nothing catches it."""


class Life:
    """Ends after so many steps, wherever they are taken."""

    def __init__(self, steps: int) -> None:
        self.left = steps

    def counted(self, act: Callable[..., Any]) -> Callable[..., Any]:
        """The same act, as a step."""

        def counted(*arguments: Any) -> Any:
            answer = act(*arguments)
            self.left -= 1
            if self.left == 0:
                raise Killed
            return answer

        return counted

    def connect(self, uri: str) -> Hypervisor:
        """A hypervisor of this life."""
        host = LibvirtHost(uri)
        for part, steps in (
            (host, ("define", "undefine", "set_autostart", "start", "stop", "ask_to_stop", "suspend")),
            (host.storage, ("make_empty", "put", "write", "remove", "grow")),
            (host.tuning, ("weigh", "pin", "limit_memory")),
        ):
            for name in steps:
                setattr(part, name, self.counted(getattr(part, name)))
        return host


def killed_everywhere(site: Site, act: Value | None, undo: Value | None, every: int = 1) -> int:
    """Kill it after the first step, the second ...; each time it is done again. How many there were.

    `every`: some are passed over, and the answer is as inexact.
    """
    for steps in range(1, 60, every):
        site.make("a", undo)
        life = Life(steps)
        try:
            [outcome] = site.do(("a", act), connect=life.connect)
        except Killed:
            site.make("a", act)
            assert site.volumes() == ([f"{DOMAIN}+disk", f"{DOMAIN}+seed"] if act else [])
            continue
        assert (outcome.error, outcome.seen) == (None, act)
        return steps - 1
    raise AssertionError("there is no end to its steps")


def test_killed_after_every_step_of_its_making(site: Site) -> None:
    assert killed_everywhere(site, OFF, None) > 8


def test_killed_after_every_step_of_its_removal(site: Site) -> None:
    assert killed_everywhere(site, None, OFF) > 3
    assert names() == []


def test_killed_after_every_step_of_a_change(site: Site) -> None:
    changed = {**OFF, "told": "t2", "memory": 64, "shares": 20}
    assert killed_everywhere(site, changed, OFF) >= 1
    mark = machine_xml.mark_of(sh("virsh", "-c", LXC, "dumpxml", "--inactive", DOMAIN), GuestMark)
    assert mark is not None and (mark.told, mark.memory, mark.shares) == ("t2", "64", "20")


def test_killed_after_every_step_of_its_start(site: Site) -> None:
    assert killed_everywhere(site, container("a", shares=99), OFF, every=1 if LONG else 3) >= 3


def test_a_libvirtd_that_ends_is_survived(site: Site) -> None:
    hand = site.hand()
    order = [Order("sliver/a", container("a"))]
    assert hand.run(order, 1)[0].error is None
    until(lambda: "root" in inside(DOMAIN, "ls /"))
    inside(DOMAIN, "echo mine >/tmp/mine")
    kill_libvirtd()
    [outcome] = hand.run(order, 1)
    assert isinstance(outcome.error, DeviceFailed) and outcome.error.passing
    start_libvirtd()
    [outcome] = hand.run(order, 1)
    assert (outcome.error, outcome.seen) == (None, container("a"))
    assert inside(DOMAIN, "cat /tmp/mine") == "mine"  # it never stopped
    hand.close()


class Crowded(LibvirtHost):
    """A host where somebody else takes loop devices at the same time: the first start finds its own taken."""

    taken = False

    def start(self, domain: str) -> None:
        if not Crowded.taken:
            Crowded.taken = True
            raise DeviceFailed(f"Unable to attach {domain}+disk to loop device: Device or resource busy\n")
        super().start(domain)


def test_a_loop_device_that_somebody_else_was_quicker_to_take_is_no_error(site: Site) -> None:
    [outcome] = site.do(("a", container("a")), connect=Crowded)
    assert (outcome.error, outcome.seen, Crowded.taken) == (None, container("a"), True)


def test_a_start_that_fails_is_told_and_the_next_order_goes_on(site: Site) -> None:
    site.told(place={"bridge": "nowhere0"})
    hand = site.hand()
    one, other = (Order(f"sliver/{name}", container(name, at)) for at, name in enumerate("ab", 1))
    assert all(isinstance(outcome.error, DeviceFailed) for outcome in hand.run([one, other], 1))
    assert hand.states() == {"a": False, "b": False}
    site.told(place=None)
    assert [outcome.error for outcome in hand.run([one, other], 1)] == [None, None]
    assert hand.states() == {"a": True, "b": True}
    hand.close()
