"""The demo's main program: `python -m nm.demo`."""

import argparse
import signal
import sys
from collections.abc import Callable
from types import FrameType
from xmlrpc.client import Fault

from rich.console import Console

from nm.client import ClientError
from nm.demo import booting, federation, pools, slices
from nm.demo.racks import LabWorld
from nm.demo.show import Show
from nm.demo.story import DemoFailed, Story, World
from nm.demo.tables import TableWorld
from nm.lab.place import obstacle

INTERRUPTED = 130


def main() -> int:
    """0: all as it must be; 1: it is not, or the demo could not go on; 130: interrupted."""
    parser = argparse.ArgumentParser(
        prog="nm.demo",
        description="who reaches whom, who boots from whom, what slivers get, who comes from elsewhere, "
        "what a text becomes",
    )
    parser.add_argument(
        "--simulated", action="store_true", help="simulated switches, even where a lab can be"
    )
    parser.add_argument("act", nargs="?", choices=("slivers", "geni", "pools"), help="play this act alone")
    arguments = parser.parse_args()
    simulated = arguments.simulated
    show = Show(Console(highlight=False))
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    if arguments.act is not None:
        return _finish(
            show, lambda: {"slivers": _slices, "geni": _all_federation, "pools": _pools}[arguments.act](show)
        )
    if not simulated and (why := obstacle()) is not None:
        show.say(f"No real rack: {why}. The same story on simulated switches:", "bold yellow")
        simulated = True
    return _finish(show, lambda: _play(show, simulated))


def _interrupt(number: int, frame: FrameType | None) -> None:
    del number, frame
    raise KeyboardInterrupt


def _world(simulated: bool) -> World:
    return TableWorld() if simulated else LabWorld()


def _boot(show: Show) -> bool:
    """The last act, where it can be played."""
    if (why := obstacle(boot=True)) is not None:
        show.say(f"\nf. From deploy to booted: left out, for {why}", "bold yellow")
        return True
    return booting.play(show)


def _slices(show: Show) -> bool:
    """The act of slivers, where it can be played."""
    if (why := obstacle(slivers=True)) is not None:
        show.say(f"\ng. Slivers: left out, for {why}", "bold yellow")
        return True
    return slices.play(show)


def _federation(show: Show) -> bool:
    """The act of federation, where it can be played."""
    if (why := obstacle()) is not None:
        show.say(f"\nh. Federation: left out, for {why}", "bold yellow")
        return True
    return federation.play(show)


def _pools(show: Show) -> bool:
    """The act of described pools, where it can be played."""
    if (why := obstacle(pools=True)) is not None:
        show.say(f"\ni. Described pools: left out, for {why}", "bold yellow")
        return True
    return pools.play(show)


def _all_federation(show: Show) -> bool:
    """The same, and with nodes that boot, where that can be."""
    good = _federation(show)
    if (why := obstacle(boot=True)) is not None:
        show.say(f"\nj. Federation, and nodes that boot: left out, for {why}", "bold yellow")
        return good
    return federation.boot(show) and good


def _play(show: Show, simulated: bool) -> bool:
    world: World | None = None
    try:
        world = _world(simulated)
        show.say(f"{world.title} {world.how}")
        good = Story(world, show).play()
        if not simulated:
            world.close()
            good = _boot(show) and good
            good = _slices(show) and good
            good = _federation(show) and good
            good = _pools(show) and good
        return good
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # cleaning up is not interrupted
        if world is not None:
            world.close()


def _finish(show: Show, play: Callable[[], bool]) -> int:
    """The exit status of what is played, and its last word."""
    try:
        good = play()
    except (DemoFailed, ClientError) as error:
        show.say(f"The demo failed: {error}", "bold red")
        good = False
    except Fault as fault:
        show.say(f"The demo failed: {fault.faultString}", "bold red")
        good = False
    except KeyboardInterrupt:
        show.say("\nInterrupted; everything is cleaned up.")
        return INTERRUPTED
    words = "Every cell was as it must be." if good else "Not everything was as it must be."
    show.say(f"\n{words}", "bold green" if good else "bold red")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
