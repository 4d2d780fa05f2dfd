"""The daemon's parts, put together: database, workers, hands, doors. Started and stopped in order.

Only the daemon's main program (and tests that need a whole nm in their own process) come here. It is
the one room that knows all others; it decides nothing itself.
"""

import logging
import random
import socket
import threading
import time
from collections import defaultdict
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nm import (
    api,
    briefs,
    configured,
    converge,
    debtwork,
    departures,
    doormark,
    drift,
    families,
    federationwork,
    hands,
    hooks,
    imports,
    jobs,
    leases,
    leftoverwork,
    lending,
    mails,
    mailwork,
    management,
    patrol,
    people,
    pool,
    poolcarriers,
    poolgroups,
    poolgroupwork,
    poolwork,
    power,
    promisework,
    sliverservice,
    sources,
    startup,
)
from nm.accountwork import AccountsWorker, Follow, Settle, Survey
from nm.calls import NM, Call, Caller, Site
from nm.config import Config
from nm.consoles import Consoles, ConsoleWorker
from nm.database import Database
from nm.descriptiondesk import DescriptionDesk
from nm.errors import Conflict, NMError
from nm.events import EventLog
from nm.export import ExportHand
from nm.facts import Order
from nm.federation import following
from nm.federationdoors import FederationDoors, Local
from nm.hookwork import Gate, HookWorker
from nm.identity import People
from nm.importwork import ImportWorker, carry_out
from nm.management.command import in_folder
from nm.nodework import NodeWorker
from nm.plcwork import Look, PlcWorker
from nm.pools import keeping, leftovers
from nm.recording import unfinished
from nm.records import Record, kind_of, name_of, record_key
from nm.secrets import Secrets, nobody
from nm.snapshot import FORMAT, RESTORED
from nm.store import Published
from nm.switches import builtin
from nm.switches.breaker import Breaker
from nm.ticketdesk import open_desk
from nm.timekeeper import Timekeeper
from nm.unixaccounts import System
from nm.workers import Crew, Handler, Job

if TYPE_CHECKING:
    from nm.metrics import Metrics

log = logging.getLogger("nm.service")

ROOT = Caller(0, "root", admin=True)  # who starts nmd
HOLDS = {leases.HOLDS, departures.REMOVALS.key, departures.EXPIRIES.key}
# Events that are warnings in the log.
TROUBLE = (
    "error",
    "failed",
    "hook failed",
    "drift",
    "debt",
    "ends held back",
    "loan waits",
    "offline",
    "problems",
)


class Service:
    """A whole nm. `hide` is told every secret that is looked up; `start_heads` asks for --startup.

    `site` (see nm/firststart.py) is imported before the doors open.
    """

    def __init__(
        self,
        config: Config,
        hide: Any = nobody,
        start_heads: bool = False,
        site: str | None = None,
        open_guests: sliverservice.OpenGuests = briefs.open_guests,
    ) -> None:
        self._config = config
        self._start_heads, self._first_site = start_heads, site
        self._secrets = Secrets(config.secrets.folder, tell=hide)
        self._registry = builtin()
        self._breakers: dict[str, Breaker] = {}  # by switch
        self._host_gates = defaultdict[str, threading.Lock](threading.Lock)  # see nm/poolwires.py
        self._power_gate = threading.BoundedSemaphore(config.power.at_once)
        self._metrics = _metrics(config)
        self.database = Database.open(
            config.daemon.database,
            journal_limit=int(config.database.snapshot_megabytes * configured.MEGABYTE),
            disk=self._metrics.disk() if self._metrics else None,
        )
        self._consoles = Path(config.daemon.database) / "consoles"
        self._events = EventLog(Path(config.daemon.database) / "events", *configured.kept(config))
        self._export = ExportHand(
            Path(config.export.folder),
            lambda name: self.database.get(record_key("image", name)),
            [Path(folder) for folder in config.images.folders],
        )
        self._clocks = leases.Clocks(time.time, lambda: time.clock_gettime(time.CLOCK_BOOTTIME), _boot_id())
        self._tools = converge.Tools(
            self.database, self._send, self._export, time.time, time.monotonic, configured.patience(config)
        )
        self._listens = False  # whether the Unix socket is ours
        self._rebooted = leases.rebooted(self.database, self._clocks.boot)
        self._timekeeper = Timekeeper(
            self.database, self._clocks, configured.rules(config), config.slivers.grace_seconds
        )
        self._slivers = sliverservice.Slivers(
            config, self._tools, self._timekeeper, self._clocks, self._site, open_guests
        )
        self._promises = promisework.PromiseWorker(self._tools, lambda: self._timekeeper.doubts)
        self._federation = federationwork.FederationWorker(self._tools)
        self._patrol = patrol.Patrol(self._tools, configured.rounds(config), random.random)
        self._gate = Gate(config.hooks)
        self._plc = PlcWorker(
            self.database, config, self._secrets.lookup, time.time, time.monotonic, random.random
        )
        self._mail = mailwork.MailWorker(self.database, config.mail, self._secrets.lookup)
        self._lasting: Mapping[str, Handler] = {  # what remembers while it is idle
            "pool:": self._timekeeper,
            lending.SUBJECT: self._promises,
            following.SUBJECT: self._federation,
            patrol.SUBJECT: self._patrol,
            sources.SUBJECT: self._plc,
            mails.SUBJECT: self._mail,
        }
        self.crew = Crew(self._handler)
        self._api = self._door()
        self._outside = self._doors_outside()

    # ---- life

    def start(self) -> None:
        """Take up what was left, then open the doors."""
        self._rewrite_exports()
        self.database.subscribe(self._published)
        if self._first_site is not None:
            self._begin_with(self._first_site)
        self._note_hooks()
        self._note_door()
        self._note_source()
        self._resume()
        if self._metrics:
            self._metrics.serve(
                self._config.metrics.port,
                self._people(self._config),
                self.database.lock_holds,
                self.crew.depths,
                partial(self.database.range, "group"),
            )
        self._outside.serve()
        self._api.serve(_sockets(self._config))
        self._listens = bool(self._config.api.socket)

    def reload(self, config: Config) -> None:
        """Use another configuration whose differences are all `live`. NMError, and nothing has changed."""
        self._outside.reload(config, configured.site_of(config, self._registry))
        self._config = config
        self._tools.patience = configured.patience(config)
        self._timekeeper.rules, self._timekeeper.grace = (
            configured.rules(config),
            config.slivers.grace_seconds,
        )
        self._slivers.config = config
        self._patrol.rules = configured.rounds(config)
        self._gate.settings = config.hooks
        self._plc.config = config
        self._mail.config = config.mail
        self.crew.send(mails.SUBJECT, mailwork.Look())
        self.crew.send(sources.SUBJECT, Look())
        self._note_hooks()
        self.crew.send(patrol.SUBJECT, patrol.Look())
        self._slivers.look()
        self._api.reload(self._people(config), configured.limits(config), self._site())
        self._events.reload(*configured.kept(config))

    def stop(self, seconds: float) -> bool:
        """Close the doors, let workers end the batch they are at, close the database."""
        self._outside.stop(min(seconds, 10.0))
        self._api.stop(min(seconds, 10.0))
        if self._metrics:
            self._metrics.close()
        if self._listens:
            Path(self._config.api.socket).unlink(missing_ok=True)
        self._gate.close()  # what runs of programs and scripts is ended, and begun anew by the next nmd
        self._plc.end()
        self._mail.end()
        drained = self.crew.stop(seconds)
        self.database.close()
        self._events.close()
        return drained

    def _door(self) -> api.Api:
        """The door, closed."""
        desk = open_desk(self.database, lambda: self._config)
        descriptions = DescriptionDesk(self.database)
        settings = api.ApiSettings(
            limits=configured.limits(self._config),
            daemon=f"nmd on {socket.gethostname()}",
            database_format=FORMAT,
            backup=self.database.backup,
            console=Consoles(self.database, self._consoles, self._send).read,
            ticket=desk.take,
            admin_ticket=desk.take_unsigned,
            plan_description=descriptions.plan,
            apply_description=descriptions.apply,
            failure=lambda: self.database.failure,
            measured=self._metrics.called if self._metrics else None,
        )
        return api.Api(self.database, self._events, self._site(), self._people(self._config), settings)

    def _doors_outside(self) -> FederationDoors:
        """Those for people of elsewhere, closed."""
        local = Local(self._people, self._secrets.lookup)
        measured = self._metrics.called if self._metrics else None
        return FederationDoors(self._config, self.database, self._site(), local, measured)

    def _note_hooks(self) -> None:
        """Let plans tell which of the site's programs there are."""
        programs, now = vars(self._config.hooks), time.time()
        self.database.transact(partial(hooks.configure, programs=programs, now=now))

    def _note_source(self) -> None:
        """Let readers tell whether there is a source of slices; it is asked from now on."""
        address, now = self._config.plc.address, time.time()
        self.database.transact(partial(sources.configure, address=address, now=now))
        if address:
            self.crew.send(sources.SUBJECT, Look())

    def _note_door(self) -> None:
        """Let plans tell to which door head nodes' seeds lead. Head nodes without an account get one."""
        door, site, now = configured.heads(self._config).door, None, time.time()
        if door is not None:
            try:
                site = door.site()
            except NMError as error:
                site = ""  # deploys of head nodes say why
                log.error("no seed leads to the door of head nodes", extra={"why": str(error)})
        self.database.transact(partial(doormark.configure, site=site, now=now))
        call = Call(NM, "Deploy", now, self._site())
        for head in list(self.database.range("headnode")):
            if head["group"] is None or head.get("account") is not None:
                continue
            name = name_of(head["record_key"])
            enroll = partial(people.enroll_head, call=call, group=head["group"], headnode=name)
            try:
                self.database.transact(enroll)
            except NMError as error:
                log.error("a head node has no account", extra={"headnode": name, "why": str(error)})

    def _begin_with(self, site: str) -> None:
        """Import it. Its worker is woken as for any import; who of the two takes a bite is all one.

        Before anything else is written: so a database that was ever written to has the import in it.
        """
        call = Call(ROOT, "Import", time.time(), self._site())
        number = imports.import_site(self.database, call, site)
        carry_out(self.database, self._site)
        job = self.database.get(record_key("job", number))
        if job is None or job["state"] != "done":
            raise Conflict(f"the site was not imported: {(job or {}).get('error')}", "import it by nmctl")

    # ---- from the database to the workers

    def _send(self, subject: str, item: Any) -> None:
        self.crew.send(subject, item)

    def _published(self, publication: Published) -> None:
        """A transaction is durable: write its events, wake the workers whom it concerns."""
        self._events.record(publication, time.time())
        for event in publication.events:
            level = logging.WARNING if event.what in TROUBLE else logging.INFO
            log.log(
                level, event.what, extra={"who": event.who, "subject": event.subject, "detail": event.detail}
            )
        for key, record in publication.changes.items():
            if kind_of(key) == "job" and record is not None and record["state"] == "queued":
                self._wake(record)
            if kind_of(key) == "job" and record is not None and record["state"] in jobs.OVER:
                self._over(record)
            if (look := self._promises.concerned(key, record)) is not None:
                self.crew.send(lending.SUBJECT, look)
            if (step := self._federation.concerned(key, record)) is not None:
                self.crew.send(following.SUBJECT, step)
            if record is not None and (pool := poolgroups.concerned(record)) is not None:
                self.crew.send(keeping.subject(pool), converge.Wake())
            if kind_of(key) == "sliver" and self._config.accounts.shell:
                self.crew.send(people.SUBJECT, Follow(name_of(key)))
        ends = leases.ending(publication.changes.values())
        if ends or HOLDS & publication.changes.keys():
            self.crew.send("pool:", leases.Look(ends))
        self._slivers.published(publication)

    def _wake(self, job: Record) -> None:
        subject, item = job["subject"], Job(job["id"])
        if self._slivers.wake(job):
            return
        if subject.startswith("account:"):
            self.crew.send(people.SUBJECT, item)
        elif job["kind"] in ("audit", "repair"):
            self.crew.send(patrol.SUBJECT, item)
        elif (switch := debtwork.switch_of(job)) is not None:
            self.crew.send(debtwork.subject(switch), item)
        else:
            self.crew.send(subject, converge.Wake() if job["kind"] in ("deploy", "destroy") else item)

    def _over(self, job: Record) -> None:
        for parent in drift.parents(job):
            paying = self.database.get(record_key("job", parent))
            if paying is not None and debtwork.switch_of(paying) is not None:
                self._wake(paying)
            else:
                self.crew.send(patrol.SUBJECT, families.ChildOver(parent, job["id"]))
        if (group := poolgroups.woken(self.database, job)) is not None:
            self.crew.send(poolgroups.subject(group), poolgroupwork.Look())
        if self._metrics:
            self._metrics.job_over(job["kind"], job["state"])

    def _resume(self) -> None:
        """Whatever was unfinished when the last daemon ended goes on."""
        if restored := self.database.get(RESTORED):
            self._distrust_copy()
        self._look_again(bool(restored))
        if restored:
            self.database.transact(self._timekeeper.take_up_copy)
        for group in self.database.range("group"):
            if unfinished(group):
                self.crew.send(f"group:{name_of(group['record_key'])}", converge.Wake())
        for job in self.database.range("job"):
            if job["state"] not in jobs.OVER and not (job["kind"] == "release" and "node:" in job["subject"]):
                self._wake(job)
        self._resume_pools()
        for debt in self.database.range("debt"):
            who = debtwork.subject(debt["switch"]) if "switch" in debt else f"node:{debt['node']}"
            self.crew.send(who, Job(debt["job"]))
        for account in filter(people.at_start, self.database.range("account")):
            self.crew.send(people.SUBJECT, Settle(account["account"]))
        if self._config.accounts.shell:
            self.crew.send(people.SUBJECT, Survey())
        self._slivers.look()
        self.crew.send("pool:", leases.Look())
        self.crew.send(lending.SUBJECT, promisework.Look())
        self.crew.send(following.SUBJECT, federationwork.Look())
        self.crew.send(patrol.SUBJECT, patrol.Look())

    def _resume_pools(self) -> None:
        """Each goes on, or is watched again."""
        self.crew.send(leftovers.SUBJECT, converge.Wake())
        for described in self.database.range("pool"):
            self.crew.send(keeping.subject(name_of(described["record_key"])), converge.Wake())

    def _distrust_copy(self) -> None:
        """The database was restored from a copy: what happened since then is not known here.

        Ports that no group has by the copy may be on a VLAN all the same: unverified until reset or adopted.
        Uids that are free by the copy may have been given out.
        """
        log.warning("the database was restored: ports of no group are unverified, reset or adopt them")
        keys = [port["record_key"] for port in self.database.range("port")]
        for start in range(0, len(keys), 90):
            self.database.transact(partial(pool.distrust, keys=keys[start : start + 90], now=time.time()))
        if uids := self._site().uids:
            self.database.transact(partial(people.skip_numbers, uids=uids, now=time.time()))

    def _look_again(self, restored: bool) -> None:
        """Rebooted, bridges are gone and head nodes off; restored, nothing is sure: groups are repaired.

        After a reboot those with head nodes are repaired one after another. A restart of nmd alone repairs
        nothing.
        """
        starts = self._rebooted or self._start_heads
        starting = startup.candidates(self.database) if starts else []
        line = [f"{startup.GROUP}:{name}" for name in starting]
        if starts:
            line += self._slivers.candidates()
        if line:
            self.database.transact(partial(startup.line_up, subjects=line, now=time.time()))
        if self._rebooted:  # when they have their places in the line: none starts before
            self._slivers.rebooted()
        if startup.waiting(self.database):  # also those that the last daemon did not come to
            self.crew.send(startup.SUBJECT, startup.Begin())
        if not (self._rebooted or restored):
            return
        later = set() if restored else set(starting)
        for group in list(self.database.range("group")):
            name = name_of(group["record_key"])
            if group["deployed"] and not group["destroying"] and name not in later:
                self.database.transact(partial(drift.repair, call=self._repair_call(), group=name))

    def _repair_call(self) -> Call:
        return Call(NM, "Repair", time.time(), self._site())

    def _rewrite_exports(self) -> None:
        """Machine lists live in memory: write them anew, before any worker may change one."""
        kept = set()
        for group in self.database.range("group"):
            for order in hands.export_orders(group):
                kept.add(order.fact)
                outcome = self._export.run([order], self.database.epoch)[0]
                if outcome.error is not None:
                    log.error(
                        "machine list not written",
                        extra={"group": group["record_key"], "why": str(outcome.error)},
                    )

        for fact in self._export.known():
            if fact not in kept:
                self._export.run([Order(fact, None)], self.database.epoch)

    # ---- one handler a subject

    def _handler(self, subject: str) -> Handler:
        kind, _, name = subject.partition(":")
        if kind == "group":
            return converge.GroupWorker(name, self._tools)
        if (handler := self._lasting.get(subject) or self._slivers.handler(subject)) is not None:
            return handler
        if kind == "startup":
            pause = self._config.startup.pause_seconds
            mine = (self._slivers.starts, self._slivers.begun)
            return startup.Startup(self.database, self._repair_call, time.monotonic, pause, *mine)
        if kind == "import":
            return ImportWorker(self.database, self._site)
        if kind == "accounts":
            return AccountsWorker(System(configured.places(self._config)), self._tools)
        if kind == "debt":
            return debtwork.SwitchDebtWorker(name, self._tools)
        if subject == leftovers.SUBJECT:
            return leftoverwork.LeftoverWorker(self._tools)
        if kind == "pool":
            return poolwork.PoolWorker(name, self._tools)
        if subject == poolgroups.subject(name):
            return poolgroupwork.DescribedGroup(name, self._tools, self._owner, self._site)
        return self._device(kind, name)

    def _device(self, kind: str, name: str) -> Handler:
        if kind == "node":
            return NodeWorker(name, self._tools, self._power_hand, self._act)
        if kind == hooks.HAND:
            return HookWorker(name, self.database, self._gate, Path(self._config.daemon.database) / "hooks")
        if kind in ("host", "console", "domains", poolcarriers.SCRIPTS):
            return self._host_handler(kind, name)
        return hands.switch_worker(
            name,
            self.database,
            self._registry,
            self._secrets.lookup,
            self._config.switches.timeout_seconds,
            self._breaker(name),
        )

    def _host_handler(self, kind: str, name: str) -> Handler:
        if kind == "console":
            return ConsoleWorker(name, self.database, self._consoles)
        if kind == "domains":
            folders = partial(configured.base_folders, self._config)
            locks = Path(self._config.daemon.database) / "runs"
            gate, secret = self._host_gates[name], self._secrets.lookup
            return hands.pools_worker(name, self.database, folders, secret, gate, locks)
        if kind == poolcarriers.SCRIPTS:
            locks = Path(self._config.daemon.database) / "scripts"
            settings = lambda: self._config.descriptions  # noqa: E731 - as it is when a script runs
            ends = lambda: self._gate.closed  # noqa: E731
            return hands.scripts_worker(name, self.database, self._secrets.lookup, settings, locks, ends)
        heads = configured.heads(self._config)
        return hands.host_worker(name, self.database, self._secrets.lookup, heads, self._host_gates[name])

    def _breaker(self, switch: str) -> Breaker:
        """It remembers, while the switch's worker comes and goes."""
        patience = self._tools.patience
        fresh = Breaker(time.monotonic, patience.first_pause, patience.longest_pause)
        return self._breakers.setdefault(switch, fresh)

    def _power_hand(self) -> power.PowerHand:
        return power.PowerHand(
            lambda name: self.database.get(record_key("node", name)),
            secrets=self._management_secrets,
            manner=self._power_manner(),
        )

    def _power_manner(self) -> power.Manner:
        found = self._config.power
        locks = Path(self._config.daemon.database) / "power"
        kinds = in_folder(management.KINDS, found.programs, locks)
        return power.Manner(found.off_seconds, found.soft_seconds, self._power_gate, kinds=kinds)

    def _act(self, node: Mapping[str, Any], action: str) -> str:
        told = node["management"] or {}
        return power.act(told, action, secrets=self._management_secrets(told), manner=self._power_manner())

    def _management_secrets(self, told: Mapping[str, Any]) -> Mapping[str, str]:
        return {key: self._secrets.lookup(name) for key, name in (told.get("secrets") or {}).items()}

    def _people(self, config: Config) -> People:
        own = partial(people.is_own, self.database, configured.accounts_of(config)["uids"])
        return People(config.api.admin_group, config.api.tcp_admin, is_own=own)

    def _owner(self, person: Record) -> Caller:
        """Somebody in whose name something is done, as they may call now."""
        known = self._people(self._config).caller(person["uid"], "unix", time.monotonic())
        admin = known.admin and known.name == person["name"]
        return Caller(person["uid"], person["name"], admin, "daemon")

    def _site(self) -> Site:
        return configured.site_of(self._config, self._registry)


# ---- what else it needs


def _metrics(config: Config) -> "Metrics | None":
    """Made, and its library loaded, only where somebody wants it."""
    if not config.metrics.port:
        return None
    from nm.metrics import Metrics

    return Metrics()


def public_folder(folder: Path) -> None:
    """Make the folder where there is none, and those above it: for everybody, whatever the umask is."""
    if not folder.is_dir():
        public_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        folder.chmod(0o755)


def _sockets(config: Config) -> list[socket.socket]:
    found = []
    if config.api.socket:
        public_folder(Path(config.api.socket).parent)
        found.append(api.listen_unix(config.api.socket))
    if config.api.tcp:
        found += [api.listen_tcp(address, config.api.port) for address in config.api.addresses]
    return found


def _boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
