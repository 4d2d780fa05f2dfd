"""Power in a whole nm: nothing is told of a secret, and a network goes though the power does not."""

import base64
import contextlib
import json
import logging
import os
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import pytest

from nm import config
from nm.logs import Guard, Lines
from tests.power.account import PASSWORD, USER, WRONG
from tests.power.conftest import started
from tests.power.processors import Processor, until
from tests.rack import Rack

SECRET_WORDS = [
    word
    for password in (PASSWORD, WRONG)
    for word in (password, base64.b64encode(f"{USER}:{password}".encode()).decode())
]
ACTIONS = ("status", "on", "pxe", "cycle", "disk", "off")


class PoweredRack(Rack):
    """A rack whose nodes n0 and n1 have a processor each; that of n1 is given a wrong password."""

    def __init__(self, folder: Path, power: config.Power, processor: Processor) -> None:
        self._power = power
        super().__init__(folder, nodes=4)
        secrets = folder / "secrets"
        secrets.mkdir(mode=0o700)
        for name, text in (("bmc", PASSWORD), ("wrong", WRONG)):
            (secrets / name).write_text(text)
            (secrets / name).chmod(0o600)
        self.register()
        for node, secret in (("n0", "bmc"), ("n1", "wrong")):
            told = {**processor.management, "secrets": {"password": secret}}
            self.call("UpdateNode", node, {"management": told})

    def start(self) -> None:
        self.config = replace(self.config, power=self._power)
        super().start()


@pytest.fixture(params=["ipmi_sim", "redfish", "amt", "command"])
def powered(
    request: pytest.FixtureRequest, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[PoweredRack, Processor]]:
    """A rack with a processor of that kind."""
    with contextlib.contextmanager(started)(request.param, tmp_path_factory) as processor:
        programs = getattr(processor, "program", Path("/nowhere/program")).parent
        power = config.Power(off_seconds=10.0, soft_seconds=2.0, programs=str(programs))
        made = PoweredRack(tmp_path, power, processor)
        try:
            yield made, processor
        finally:
            made.stop()


class Spy:
    """Looks at every process's arguments and environment, over and over, while it is entered."""

    def __init__(self, words: list[str]) -> None:
        self._words = [word.encode() for word in words]
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self.rounds = 0
        self.seen: set[str] = set()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._over.is_set():
            for process in Path("/proc").glob("[0-9]*"):
                for name in ("cmdline", "environ"):
                    with contextlib.suppress(OSError):
                        content = (process / name).read_bytes()
                        if any(word in content for word in self._words):
                            self.seen.add(f"{name}: {content[:300]!r}")
            self.rounds += 1


def test_a_password_is_told_to_nobody_but_the_processor(
    powered: tuple[PoweredRack, Processor], caplog: pytest.LogCaptureFixture
) -> None:
    rack, processor = powered
    caplog.set_level(logging.DEBUG)
    told: list[Any] = []
    with Spy(SECRET_WORDS) as spy:
        for action in ACTIONS:
            for node in ("n0", "n1"):
                job = rack.wait(rack.call("PowerNode", node, action))
                told.append(job)
                assert job["state"] == ("done" if node == "n0" else "failed"), job
        assert processor.state()[0] is False
        assert spy.rounds > 1
    assert not spy.seen
    for failed in told[1::2]:
        assert failed["error"]["code"] == 107
    told += [rack.call("GetNodes", {}), rack.call("GetJobs", {}), rack.call("GetEvents", 0, 1000)]
    lines = Lines(Guard())  # which knows of no secret that it were to strike out
    texts = [json.dumps(told, default=str), *map(lines.format, caplog.records)]
    texts += [
        file.read_bytes().decode("latin-1") for file in (rack.folder / "db").rglob("*") if file.is_file()
    ]
    assert not [text[:500] for text in texts for word in SECRET_WORDS if word in text]


def test_the_spy_would_see_it() -> None:
    for arguments, environment in (
        (["sh", "-c", f"sleep 60; : {WRONG}"], {}),
        (["sleep", "60"], {"P": WRONG}),
    ):
        process = subprocess.Popen(arguments, env={**os.environ, **environment})
        try:
            with Spy(SECRET_WORDS) as spy:
                until(lambda spy=spy: bool(spy.seen))  # type: ignore[misc]
        finally:
            process.kill()
            process.wait()


@pytest.mark.parametrize("powered", ["ipmi_sim"], indirect=True)
def test_the_network_goes_though_the_processor_is_silent(powered: tuple[PoweredRack, Processor]) -> None:
    rack, processor = powered
    rack.call("CreateGroup", "alpha", {"vlan": 101, "nodes": ["n0"]})
    rack.deploy("alpha")
    assert rack.wait(rack.call("PowerNode", "n0", "on"))["result"] == "on"
    processor.close()
    assert processor.state()[0] is True
    rack.service._config = replace(rack.config, power=replace(rack.config.power, off_seconds=0.5))  # type: ignore[union-attr]
    began = time.monotonic()
    rack.wait(rack.call("DestroyGroup", "alpha"), 40.0)
    assert time.monotonic() - began < 15  # 0.5 s, and one answer that does not come
    node = rack.call("GetNodes", {"name": "n0"})[0]
    assert node["state"] == "failed"
    assert "does not answer" in node["error"]
    assert rack.ports("sw0")["p0"]["untagged"] is None
