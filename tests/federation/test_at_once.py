"""Many guests at the same moment, on the real database: nobody gets what somebody else has."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from threading import Barrier

from nm.errors import NMError
from nm.federation.answers import Answer
from nm.geni.refusals import NodesLacking
from tests.federation.guests import Door, guest, urn_of
from tests.geni.lab import asked, rspec
from tests.rack import Rack, rack

GUESTS = 10


def answers(doors: list[Door], text: str, slice: str = "slice-{}") -> list[Answer | NMError]:
    """What each gets who asks for that at the same moment; {} stands for the number of who asks."""
    start = Barrier(len(doors))

    def ask(number: int) -> Answer | NMError:
        start.wait(30)
        try:
            return doors[number].allocate(text.replace("{}", str(number)), urn_of(slice.format(number)))
        except NMError as error:
            return error

    with ThreadPoolExecutor(len(doors)) as crew:
        return list(crew.map(ask, range(len(doors))))


def test_ten_ask_for_the_last_nodes_at_once(tmp_path: Path) -> None:
    with rack(tmp_path) as lab:
        assert lab.service is not None
        doors = [Door(lab.service.database, guest(f"g{number}")) for number in range(GUESTS)]
        bound = rspec(asked("x", component_id="urn:publicid:IDN+example.org:lab+node+n3"))
        for text, winners, taken in ((bound, 1, 1), (rspec(asked("a"), asked("b")), 3, 7)):
            found = answers(doors, text)
            won = [one for one in found if isinstance(one, Answer)]
            assert len(won) == winners
            assert all(isinstance(one, NodesLacking) for one in found if not isinstance(one, Answer))
            assert sum(not node["free"] for node in lab.call("GetNodes", {})) == taken
        held = [set(group["nodes"]) for group in lab.call("GetGroups", {})]
        assert sum(map(len, held)) == len(set[str]().union(*held)) == 7
        vlans = [group["vlan"] for group in lab.call("GetGroups", {})]
        assert len(vlans) == len(set(vlans))
        with ThreadPoolExecutor(GUESTS) as crew:
            slices = [entry["slice"] for entry in lab.call("GetReservations", {})]
            list(crew.map(doors[0].provision, set(slices)))
        lab.until(partial(all_are_wired, lab))


def test_ten_ask_for_the_same_slice_at_once(tmp_path: Path) -> None:
    with rack(tmp_path) as lab:
        assert lab.service is not None
        doors = [Door(lab.service.database, guest(f"g{number}")) for number in range(GUESTS)]
        found = answers(doors, rspec(asked("node-{}")), "one")
        nodes = [sliver.node for one in found if isinstance(one, Answer) for sliver in one.slivers]
        (group,) = lab.call("GetGroups", {})
        assert len(nodes) == 8 and sorted(nodes) == sorted(group["nodes"])
        assert len([one for one in found if isinstance(one, NodesLacking)]) == 2
        told = doors[0].describe(urn_of("one")).slivers
        assert len({sliver.urn for sliver in told}) == 8


def all_are_wired(lab: Rack) -> bool:
    states = {entry["operational"] for entry in lab.call("GetReservations", {})}
    return states == {"geni_ready"}
