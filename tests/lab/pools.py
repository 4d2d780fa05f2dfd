"""A lab that has described pools, as tests use it: SmartFrog's commands, domains and files of both hosts."""

import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from nm.database_tools import dump
from nm.errors import NMError
from nm.lab import daemon, pools, watch
from nm.lab.errors import LabError
from nm.lab.layout import HOST, OTHER, POOL, Layout
from nm.lab.place import SOURCE, Lab, environment
from tests.lab.conftest import api

LAYOUT = Layout(switches=1, nodes=0, headnodes=0, pools=True)
EXAMPLES = SOURCE / "docs" / "examples"
PATIENCE = 300.0  # seconds; all machines are emulated
VIRSH = "virsh -q -c qemu:///system"
PIDS = {HOST: "/run/libvirtd.pid", OTHER: "/run/libvirt/libvirtd.pid"}
URIS = {HOST: "qemu:///system", OTHER: f"qemu+ssh://root@{OTHER}/system"}
Job = dict[str, Any]


class Pools:
    """What there is in such a lab."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab

    def call(self, method: str, *arguments: Any) -> Any:
        """As root on the lab's socket."""
        with api(self.lab) as nm:
            return getattr(nm, method)(*arguments)

    def does(self, *words: str) -> str:
        """What a command says that is given in the lab, where the examples are; it must end well."""
        return self.lab.run(["env", f"--chdir={EXAMPLES}", *words], timeout=PATIENCE)

    def on(self, host: str, command: str) -> str:
        """What a shell's command says on that host."""
        words = ["sh", "-c", command] if host == HOST else ["ssh", OTHER, command]
        return self.lab.run(words, timeout=PATIENCE)

    # ---- jobs

    def job(self, number: int) -> Job:
        """As GetJobs tells of it."""
        [found] = self.call("GetJobs", {"id": number})
        return dict(found)

    def over(self, number: int) -> Job:
        """The same, when it is over."""
        self.until(lambda: self.job(number)["state"] not in ("queued", "running"), f"job {number} is over")
        return self.job(number)

    def last(self) -> Job:
        """The newest job."""
        return dict(max(self.call("GetJobs", {}), key=lambda job: int(job["id"])))

    def until(self, true: Callable[[], bool], what: str) -> None:
        """Wait for it."""
        watch.until(true, PATIENCE, what)

    # ---- the hosts

    def domains(self, host: str, *flags: str) -> list[str]:
        """Those that run there; with --all: that there are."""
        return sorted(self.on(host, f"{VIRSH} list --name {' '.join(flags)}").split())

    def process(self, host: str, domain: str) -> str:
        """Its QEMU there: another one after each start."""
        return self.on(host, f"cat /run/libvirt/qemu/{domain}.pid").strip()

    def files(self, host: str) -> list[str]:
        """The files of disks there."""
        return self.on(host, f"ls /run/{POOL} {pools.DISKS} | grep -v -e : -e '^$' || true").split()

    def left(self) -> list[str]:
        """What there is yet of domains, disks, and records of pools."""
        found = [one for host in (HOST, OTHER) for one in (*self.domains(host, "--all"), *self.files(host))]
        kinds = ("pool", "text", "piece", "life")
        records = (one for kind in kinds for one in dump(self.lab.folder / "database", kind))
        return found + [record["record_key"] for record in records]

    def answer(self, *addresses: str) -> None:
        """Wait until these answer pings."""
        for address in addresses:
            self.until(lambda at=address: self._answers(at), f"{address} answers")  # type: ignore[misc]

    def _answers(self, address: str) -> bool:
        with suppress(LabError):
            return bool(self.lab.run(["ping", "-c1", "-W1", address]))
        return False

    # ---- troubles

    def kill(self, *hosts: str) -> None:
        """Nmd, and the libvirtds of these hosts; machines survive that."""
        daemon.kill(self.lab)
        for host in hosts:
            file = PIDS[host]
            self.on(host, f"kill -9 $(cat {file}); while kill -0 $(cat {file}) 2>&-; do sleep 0.1; done")

    def start(self) -> None:
        """All of them again."""
        for host, file in PIDS.items():
            self.on(
                host, f"kill -0 $(cat {file}) 2>&- || libvirtd --daemon --pid-file {file} >/dev/null 2>&1"
            )
        daemon.start(self.lab)

    def reset(self) -> None:
        """Everything runs, and no pool is there."""
        daemon.start(self.lab)
        for pool in self.call("GetDescriptions", {}):
            with suppress(NMError):
                self.over(self.call("TerminateDescription", pool["name"]))
        for host in (HOST, OTHER):
            self.on(host, f"rm -f {pools.DISKS}/*")

    @contextmanager
    def events(self, host: str) -> Iterator[list[str]]:
        """What happens to domains there during the block, as "domain what"; filled at its end."""
        seen: list[str] = []
        log = self.lab.folder / "log" / f"events-{host}.txt"
        log.unlink(missing_ok=True)
        with log.open("a") as file:
            words = ["stdbuf", "-oL", "virsh", "-c", URIS[host], "event", "--event", "lifecycle", "--loop"]
            process = subprocess.Popen(
                self.lab.enter(words), env=environment(), stdin=subprocess.DEVNULL, stdout=file
            )
        try:
            self._until_listened(log.stem, host)
            yield seen
        finally:
            process.terminate()
            process.wait(10)
        found = re.findall(r"for domain '(.*)': (\w+)", log.read_text())
        seen += [f"{domain} {what}" for domain, what in found if domain != "heard" and what != "Defined"]

    def _until_listened(self, name: str, host: str) -> None:
        """Define and undefine a domain until that is heard."""
        text = '<domain type="qemu"><name>heard</name><memory>1024</memory><os><type>hvm</type></os></domain>'
        file = self.lab.folder / "log" / f"{name}.txt"
        probe = f"{VIRSH} define /dev/stdin >/dev/null && {VIRSH} undefine heard >/dev/null"

        def heard() -> bool:
            self.on(host, f"echo '{text}' | ({probe})")
            return "heard" in file.read_text()

        self.until(heard, "events are heard")
