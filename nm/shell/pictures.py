"""The commands that show the rack as a picture. What draws it is loaded when it is asked for."""

from nm.shell.failures import Usage
from nm.shell.session import Session
from nm.shell.table import Command, Options, option


def draw_map(session: Session, _command: Command, options: Options) -> int:
    """The picture in the terminal."""
    from nm.shell import rackmap

    return rackmap.draw_map(session, options)


def web(session: Session, _command: Command, options: Options) -> int:
    """Serve the page until Ctrl-C."""
    from nm.shell.web import server

    return server.serve(session, options.port, options.open)


def _port_number(text: str) -> int:
    if text.isascii() and text.isdigit() and int(text) < 65536:
        return int(text)
    raise Usage(f"--port: {text[:20]!r} is not the number of a TCP port", "write for example --port 8812")


COMMANDS = (
    Command("map", "GetPorts", "draw the switches with their ports, groups, nodes and head nodes",
            (option("watch", "draw it anew whenever something has changed, until Ctrl-C", flag=True),),
            run=draw_map,
            uses=("GetSwitches", "GetTrunks", "GetHosts", "GetNodes", "GetHeadNodes", "GetVlans", "GetGroups",
                  "GetAudit", "GetDescriptions", "GetDrift", "GetJobs", "GetEvents", "WhoAmI")),
    Command("web", "", "show the same live in a browser, on this machine alone, by a one-time link",
            (option("port", "the page's port on 127.0.0.1; a free one when left out", parse=_port_number,
                    default=0, metavar="PORT"),
             option("open", "open the browser", flag=True)), run=web),
)  # fmt: skip
