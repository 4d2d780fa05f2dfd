"""A fake switch as a process of its own, for benchmarks: see the package."""

import argparse
import json
import signal
import sys
import threading

from tests.switches.fakes import DIALECTS, FakeSwitch, start


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.switches.fakes", description=__doc__)
    parser.add_argument("dialect", choices=sorted(DIALECTS))
    parser.add_argument("--port", type=int, default=0, help="where SSH listens; 0: any")
    parser.add_argument("--ports", type=int, default=48, help="how many ports the switch has")
    parser.add_argument("--host", default="sw1", help="the host name in its prompt")
    parser.add_argument("--user", default="admin")
    parser.add_argument("--password", default="letmein")
    parser.add_argument("--enable", help="the enable secret")
    parser.add_argument("--latency", type=float, default=0, help="seconds a command takes")
    parser.add_argument("--login", type=float, default=0, help="seconds a log-in takes")
    parser.add_argument("--save", type=float, default=0, help="seconds saving takes")
    parser.add_argument("--max-sessions", type=int, default=16)
    return parser.parse_args()


def serve(switch: FakeSwitch) -> None:
    """Answer each line with one until the process is told to end."""
    print(f"port {switch.port}")
    print(f"host key {switch.host_key}", flush=True)
    for line in sys.stdin:
        print(answer(switch, line), flush=True)
    threading.Event().wait()


def answer(switch: FakeSwitch, line: str) -> str:
    """Do as the line says: `dump`, `fault` with what FakeSwitch.fault takes as JSON, `mend`, `let go`."""
    word, _, rest = line.strip().partition(" ")
    if word == "dump":
        return json.dumps(switch.dump())
    if word == "fault":
        switch.fault(**json.loads(rest))
    elif word == "mend":
        switch.mend()
    elif line.strip() == "let go":
        switch.cut_sessions()
    else:
        return f"unknown: {word}"
    return "done"


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with start(**vars(arguments())) as switch:
        serve(switch)


if __name__ == "__main__":
    main()
