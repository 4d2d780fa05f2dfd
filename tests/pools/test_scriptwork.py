"""Scripts of a host whose machine never answers: the end of nmd waits for none of their threads."""

import subprocess
import sys

PROGRAM = """
import threading
from nm.facts import Order
from nm.scriptwork import ScriptWorker
from nm.workers import Errand

began = threading.Event()


class Hangs:
    def run(self, orders, epoch):
        began.set()
        threading.Event().wait()

    def read(self, facts):
        return []


worker = ScriptWorker(Hangs(), 1, lambda: 2, lambda: True)
worker.handle([Errand([Order("part/web/a", {})], print)])
assert began.wait(20)
print("ends")
"""


def test_a_machine_that_never_answers_keeps_nobody_from_ending() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=30, check=False
    )
    assert (done.stdout, done.stderr, done.returncode) == ("ends\n", "", 0)
