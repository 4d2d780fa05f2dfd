"""The site's configuration: one TOML file, every key optional, read strictly.

Ground: pure but for `load`, which reads the file, and for one look whether a login shell lies beside this
Python. The daemon loads it at start and again on SIGHUP; rooms are handed the section that concerns them.
Values are frozen and need no lock.
`python -m nm.config` prints a commented file with the defaults.
"""

import difflib
import json
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import Field, dataclass, field, fields
from pathlib import Path
from typing import Any, NamedTuple, get_type_hints

from nm.configdescriptions import Descriptions
from nm.configgeni import Federation, Geni
from nm.configkeys import (
    Check,
    account_name,
    account_names,
    between,
    device_or_empty,
    door,
    group_name,
    interface,
    interface_or_empty,
    key,
    loopback,
    name_or_empty,
    names,
    one_of,
    path,
    path_or_empty,
    paths,
    place,
    secret_name,
    socket_path,
    source,
    zero_or,
)
from nm.configoutside import Bowl, Mail, outside
from nm.errors import NMError

DEFAULT_PATH = Path("/etc/nm/nm.toml")


class ConfigError(NMError):
    """The configuration cannot be used; the message names the file and the key's path."""

    exit_status = 3


DAY = 86400.0
LEVELS = ("debug", "info", "warning", "error")


@dataclass(frozen=True)
class Daemon:
    """The daemon's own files, and its log."""

    database: str = key("/var/lib/nm", "Folder of the database; made when absent.", path)
    lock: str = key("/run/nm/nmd.lock", "File whose flock decides that there is one daemon.", path)
    pid_file: str = key("/run/nm/nmd.pid", "Where nmd --daemonize leaves its process id.", path)
    log: str = key(
        "/var/log/nm/nmd.log",
        'Log file, opened anew on SIGUSR2; "" logs to stderr, the journal.',
        path_or_empty,
    )
    log_level: str = key("info", "Least important lines that are logged.", one_of(*LEVELS), live=True)


@dataclass(frozen=True)
class Api:
    """The XML-RPC doors."""

    socket: str = key("/run/nm/api.sock", 'The Unix socket; "" for none.', socket_path)
    tcp: bool = key(True, "Whether to listen on TCP as well.")
    port: int = key(812, "TCP port.", between(1, 65535))
    addresses: tuple[str, ...] = key(
        ("127.0.0.1", "::1"),
        "Addresses to listen on: loopback only, for only there the caller is known.",
        loopback,
    )
    tcp_admin: bool = key(True, "Whether administrators have their rights on TCP too.", live=True)
    admin_group: str = key(
        "nm-admin", "Unix group whose members are administrators, beside root.", group_name, live=True
    )
    max_connections: int = key(256, "Connections at a time; more are refused.", between(1, 10_000), live=True)
    max_connections_per_user: int = key(
        64, "Connections at a time of one user.", between(1, 10_000), live=True
    )
    request_seconds: float = key(
        10.0, "How long a request may take to arrive, from its first byte on.", between(0.1, 600), live=True
    )
    idle_seconds: float = key(
        60.0, "How long a connection may be silent between two requests.", between(0.1, DAY), live=True
    )


@dataclass(frozen=True)
class Jobs:
    """How long work on devices is tried."""

    deadline_seconds: float = key(
        600.0, "A job that keeps failing is called failed after this time.", between(1, 7 * DAY), live=True
    )
    retry_first_seconds: float = key(
        1.0, "Delay before the second try; it doubles.", between(0.01, 3600), live=True
    )
    retry_longest_seconds: float = key(
        60.0, "Longest delay between two tries.", between(0.01, DAY), live=True
    )


@dataclass(frozen=True)
class Leases:
    """How groups end by themselves."""

    longest_seconds: int = key(
        0,
        "Longest lease that others than administrators may ask for; 0 for no limit.",
        between(0, 2**31),
        live=True,
    )
    grace_seconds: float = key(
        3600.0,
        "How long a removal that looks like a mistake waits for an administrator.",
        between(0, 30 * DAY),
        live=True,
    )
    mass_share: float = key(
        0.25, "Share of all groups which, ending at once, looks like a mistake.", between(0.01, 1), live=True
    )
    mass_floor: int = key(
        3, "Up to this many groups may end at once, whatever their share.", between(0, 100_000), live=True
    )
    clock_jump_seconds: float = key(
        120.0,
        "A clock that moves by more than this between two looks has jumped.",
        between(1, DAY),
        live=True,
    )


@dataclass(frozen=True)
class Switches:
    """Network switches."""

    timeout_seconds: float = key(30.0, "How long a switch may be silent.", between(0.1, 3600), live=True)


@dataclass(frozen=True)
class Power:
    """The power of nodes."""

    off_seconds: float = key(
        60.0,
        "How long a node may take to switch off before it is isolated regardless.",
        between(0, 3600),
        live=True,
    )
    soft_seconds: float = key(
        20.0,
        "How long, of these, its system may take to shut down by itself; 0: its power goes at once.",
        between(0, 3600),
        live=True,
    )
    programs: str = key("/etc/nm/power", "Folder with the programs of the driver command.", path)
    at_once: int = key(16, "How many management processors are spoken with at a time.", between(1, 1024))


@dataclass(frozen=True)
class Hooks:
    """The site's own programs for nodes (docs/hooks.md)."""

    before_give: str = key(
        "",
        'Program that is run before a node joins its group: an absolute path, root\'s; "" for none.',
        path_or_empty,
        live=True,
    )
    after_return: str = key(
        "",
        'Program that is run before a node that was given out is free again; "" for none.',
        path_or_empty,
        live=True,
    )
    seconds: float = key(600.0, "How long each run may take.", between(0.1, 7 * DAY), live=True)
    at_once: int = key(8, "Runs at a time, of all nodes.", between(1, 1000), live=True)


@dataclass(frozen=True)
class Startup:
    """The start of head nodes and slivers after a reboot, or by nmd --startup."""

    pause_seconds: float = key(3.0, "Between two starts.", between(0, 3600))


@dataclass(frozen=True)
class Audits:
    """The audits of everything that nmd makes by itself: it compares and marks, and repairs nothing."""

    every_seconds: float = key(
        600.0,
        "Time between two of them, varied by a tenth; 0 for never.",
        zero_or(1, 7 * DAY),
        live=True,
    )
    wait_seconds: float = key(
        120.0,
        "How long an audit waits for a device; what is unread by then is a difference.",
        between(0.1, DAY),
        live=True,
    )


@dataclass(frozen=True)
class Images:
    """What head nodes are made from, and what nodes boot from the network."""

    folders: tuple[str, ...] = key(
        ("/var/lib/nm-images",),
        "Folders below which images lie, on nmd's machine and on the hosts; QEMU's user must reach them.",
        paths,
    )


@dataclass(frozen=True)
class HeadNodes:
    """Head nodes that nm makes from images, and what it does for all of them."""

    address: str = key(
        "192.168.10.1/24",
        "Their own address on their group's network, unless a head node has one of its own.",
        interface,
    )
    door: str = key(
        "",
        "Where head nodes reach this machine's sshd, as HOST or HOST:PORT, to switch their nodes' power; "
        '"": they have no accounts.',
        door,
    )
    host_keys: str = key("/etc/ssh", "Folder with that sshd's public keys, ssh_host_*_key.pub.", path)


@dataclass(frozen=True)
class Export:
    """The machine lists for head nodes."""

    folder: str = key("/run/nm/headnodes", "Folder with one folder a group; best in memory.", path)


def _shell(name: str) -> str:
    """The login shell that was installed with nm, in the folder of its Python; nothing where none was."""
    place = Path(sys.prefix, name)
    return str(place) if place.is_file() else ""


@dataclass(frozen=True)
class Accounts:
    """The Unix accounts that nm makes: delegates, and one a group, head node and sliver."""

    shell: str = key(
        _shell("forward_api_calls"),
        'Their login shell; left out, the forward_api_calls installed with nm. "": nm makes no accounts.',
        path_or_empty,
    )
    sliver_shell: str = key(
        _shell("sliver_shell"),
        "That of slivers' accounts, which enters the guest; left out, the sliver_shell installed with nm.",
        path_or_empty,
    )
    homes: str = key("/var/lib/nm-homes", "Folder with their homes; every account passes through it.", path)
    first_uid: int = key(70_000, "The lowest of their uids.", between(1000, 2**31 - 2))
    last_uid: int = key(99_999, "The highest; a uid is never used again.", between(1000, 2**31 - 2))
    root: str = key("/", "Folder below which etc/passwd and the homes are.", path)


@dataclass(frozen=True)
class Slivers:
    """Slivers: what slices have of this machine (docs/slivers.md)."""

    uri: str = key(
        "",
        'The libvirt that runs them: qemu:///system (machines) or lxc:///system (containers); "": none.',
        one_of("", "qemu:///system", "lxc:///system"),
    )
    image: str = key("", "Image that those are made from whose own is not registered here.", name_or_empty)
    network: str = key(
        "",
        'Where their NICs are: bridge:NAME, or network:NAME of libvirt\'s; "": they have none.',
        place,
    )
    addresses: str = key(
        "",
        'Their network, with the gateway\'s address, as 10.20.0.1/16; "": nm gives them none.',
        interface_or_empty,
    )
    uplink: str = key(
        "",
        'The bridge\'s port that leads out, where rates are enforced; "": the bridge routes.',
        device_or_empty,
    )
    pool: str = key("", "libvirt's storage pool for their disks; \"\": nm's own.", name_or_empty)
    user: str = key("root", "The account that `ssh SLIVER@HOST` enters in a virtual machine.", account_name)
    emulate: bool = key(False, "Never use hardware virtualisation.")
    grace_seconds: float = key(
        7 * DAY,
        "How long one that ended is only stopped before it is deleted.",
        between(0, 365 * DAY),
        live=True,
    )
    look_seconds: float = key(
        60.0, "Between two looks at them, and at their bytes.", between(1, DAY), live=True
    )


@dataclass(frozen=True)
class Plc:
    """The PLC, or a file in its place, that tells of slices (docs/plc.md)."""

    address: str = key(
        "",
        'A PLC\'s API (https://HOST/PLCAPI/), a slices.xml there, or a file here; "": nobody does.',
        source,
    )
    ca: str = key(
        "", 'File with the authorities that its certificate is checked by; "": the system\'s.', path_or_empty
    )
    node_id_file: str = key("/etc/nm/node_id", "File with this node's id there.", path)
    node_key: str = key("plc-node-key", "Name of the secret with the node's key.", secret_name)
    session: str = key("", 'Name of the secret with a session that is there; "": none.', name_or_empty)
    prefix: str = key(
        "pl", 'Prefix of its own slices: tags of PREFIX_default count for all; "": none do.', name_or_empty
    )
    period_seconds: float = key(600.0, "Between two questions.", between(1, 7 * DAY), live=True)
    jitter_seconds: float = key(300.0, "And up to so much more, by chance.", between(0, 7 * DAY), live=True)
    timeout_seconds: float = key(300.0, "How long one question may take.", between(1, 3600), live=True)
    conf_folders: tuple[str, ...] = key(
        (), "Folders below which it may write configuration files; none: it writes none.", paths, live=True
    )
    accounts: tuple[str, ...] = key(
        (),
        "Accounts of this machine whose SSH keys it may set.",
        account_names,
        live=True,
    )


@dataclass(frozen=True)
class Tickets:
    """Tickets: slivers' records that somebody signed (docs/tickets.md)."""

    keys: str = key(
        "/etc/nm/ticket-keys", "Folder with the OpenPGP and X.509 certificates whose signatures count.", path
    )
    nodes: tuple[str, ...] = key(
        (),
        "Names by which tickets may mean this machine, beside its host name and node id.",
        names,
        live=True,
    )
    old: bool = key(False, "Whether tickets count that say neither node nor end nor use.", live=True)


@dataclass(frozen=True)
class Secrets:
    """Passwords and keys of devices, which records know by name only."""

    folder: str = key("/etc/nm/secrets", "Folder with one file a secret, readable by its owner only.", path)


@dataclass(frozen=True)
class Events:
    """What is kept of what happened."""

    max_megabytes: float = key(64.0, "Largest size of the events' files.", between(1, 100_000), live=True)
    max_days: float = key(90.0, "Greatest age of an event.", between(1, 36_500), live=True)


@dataclass(frozen=True)
class Database:
    """The database's own working."""

    snapshot_megabytes: float = key(
        16.0, "A journal that has grown to this size gives way to a snapshot.", between(0.01, 4096)
    )


@dataclass(frozen=True)
class Metrics:
    """What nm measures, as text for Prometheus."""

    port: int = key(
        0, "TCP port of the endpoint http://localhost:PORT/metrics; 0 for none.", between(0, 65535)
    )


@dataclass(frozen=True)
class Config:
    """The whole configuration, one section an attribute."""

    daemon: Daemon = Daemon()
    api: Api = Api()
    jobs: Jobs = Jobs()
    leases: Leases = Leases()
    switches: Switches = Switches()
    power: Power = Power()
    hooks: Hooks = Hooks()
    startup: Startup = Startup()
    audits: Audits = Audits()
    images: Images = Images()
    headnodes: HeadNodes = HeadNodes()
    export: Export = Export()
    accounts: Accounts = Accounts()
    slivers: Slivers = Slivers()
    plc: Plc = Plc()
    tickets: Tickets = Tickets()
    descriptions: Descriptions = Descriptions()
    federation: Federation = Federation()
    geni: Geni = Geni()
    bowl: Bowl = field(default_factory=Bowl)
    mail: Mail = field(default_factory=Mail)
    secrets: Secrets = Secrets()
    events: Events = Events()
    database: Database = Database()
    metrics: Metrics = Metrics()

    @property
    def reloadable(self) -> frozenset[str]:
        """Dotted paths of the keys that SIGHUP changes; the others need a restart."""
        return frozenset(f"{section}.{item.name}" for section, item in all_keys() if item.metadata["live"])


class Differences(NamedTuple):
    """Dotted paths of the keys in which two configurations differ."""

    live: tuple[str, ...]
    restart: tuple[str, ...]


SECTIONS: dict[str, type[Any]] = get_type_hints(Config)


def all_keys() -> Iterator[tuple[str, Field[Any]]]:
    """Every key with its section's name, in the order of the file."""
    for section, kind in SECTIONS.items():
        for item in fields(kind):
            yield section, item


def differences(old: Config, new: Config) -> Differences:
    """What a change from `old` to `new` touches; a reload is refused when anything needs a restart."""
    changed = [
        (f"{section}.{item.name}", item.metadata["live"])
        for section, item in all_keys()
        if getattr(getattr(old, section), item.name) != getattr(getattr(new, section), item.name)
    ]
    return Differences(
        tuple(name for name, live in changed if live), tuple(name for name, live in changed if not live)
    )


def load(file: str | Path | None = None) -> Config:
    """Read the file. The default one may be absent; one that is named must be there."""
    place = DEFAULT_PATH if file is None else Path(file)
    try:
        return parse(place.read_text(encoding="utf-8"), str(place))
    except FileNotFoundError:
        if file is None:
            return Config()
        raise ConfigError(
            f"{place}: no such file", "correct the path, or leave it out to use the defaults"
        ) from None
    except OSError as error:
        raise ConfigError(f"{place}: {error.strerror}", "let the daemon's user read it") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{place}: is not UTF-8", "save it as UTF-8 text") from None


def parse(text: str, source: str = "nm.toml") -> Config:
    """The configuration in that text; `source` is named in errors."""
    try:
        try:
            tables = tomllib.loads(text)
        except (ValueError, RecursionError) as error:  # ValueError: also a number of thousands of digits
            raise ConfigError(f"is not TOML: {error}", "correct that line") from None
        sections = {name: _section(name, table) for name, table in tables.items()}
        return _agreeing(Config(**sections))
    except ConfigError as error:
        raise ConfigError(f"{source}: {error.message}", error.hint) from None


def _section(name: str, table: object) -> Any:
    if name not in SECTIONS:
        raise ConfigError(f"{_quoted(name)} is no section", _unknown(name, list(SECTIONS), "section"))
    if not isinstance(table, dict):
        raise ConfigError(
            f"{name}: found {_shown(table)}, expected a table", f"write [{name}] on a line of its own"
        )
    kind = SECTIONS[name]
    items = {item.name: item for item in fields(kind)}
    types = get_type_hints(kind)
    values = {}
    for word, value in table.items():
        if word not in items:
            raise ConfigError(
                f"{name}.{_quoted(word)} is no key", _unknown(word, list(items), "key", f"{name}.")
            )
        values[word] = _value(f"{name}.{word}", value, types[word], items[word].metadata["check"])
    return kind(**values)


EXPECTED = {bool: "true or false", int: "a whole number", float: "a number", str: "a string"}


def _value(name: str, value: object, kind: Any, check: Check | None) -> object:
    """The value as its key's type; a whole number will do for a float, nothing else is converted."""
    expected = EXPECTED.get(kind, "a list of strings")
    if kind is float and type(value) is int and abs(value) < 2**53:
        value = float(value)
    if kind in EXPECTED:
        fits = type(value) is kind
    else:
        fits = isinstance(value, list) and all(isinstance(element, str) for element in value)
        value = tuple(value) if fits and isinstance(value, list) else value
    if fits and check is not None:
        expected = check(value) or ""
        fits = not expected
    if not fits:
        raise ConfigError(
            f"{name}: found {_shown(value)}, expected {expected}", "correct it, or leave it out"
        )
    return value


def _agreeing(config: Config) -> Config:
    """The configuration, when its keys agree with each other."""
    api, daemon, jobs = config.api, config.daemon, config.jobs
    if not api.tcp and not api.socket:
        raise ConfigError("api.tcp is false and api.socket is empty", "leave at least one door open")
    if daemon.lock == daemon.pid_file:
        raise ConfigError("daemon.lock and daemon.pid_file are the same file", "name two files")
    if config.accounts.first_uid > config.accounts.last_uid:
        raise ConfigError("accounts.first_uid is greater than accounts.last_uid", "exchange or correct them")
    if jobs.retry_first_seconds > jobs.retry_longest_seconds:
        raise ConfigError(
            "jobs.retry_first_seconds is greater than jobs.retry_longest_seconds", "exchange or correct them"
        )
    if flaw := outside(config.mail, config.bowl):
        raise ConfigError(*flaw)
    return config


def _unknown(word: str, known: list[str], what: str, prefix: str = "") -> str:
    """What to do about a word that is not known where it stands."""
    homes = [section for section, item in all_keys() if item.name == word]
    if homes:
        return f"it belongs in [{homes[0]}]"
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    return f"did you mean {prefix}{near[0]}?" if near else f"valid {what}s: {', '.join(known)}"


def _quoted(word: str) -> str:
    """A word of the file, fit to be shown."""
    return word if word.isidentifier() and len(word) <= 64 else repr(word[:64])


def _shown(value: object) -> str:
    """A value of the file, fit to be shown."""
    text = json.dumps(list(value) if isinstance(value, tuple) else value, default=str)
    return text if len(text) <= 60 else text[:57] + "..."


def reference() -> str:
    """A configuration file that says of every key what it does, and sets it to its default."""
    lines = ["# nm's configuration. Every key may be left out; these are the defaults."]
    section = ""
    for name, item in all_keys():
        if name != section:
            section = name
            lines += ["", f"# {SECTIONS[name].__doc__}", f"[{name}]"]
        when = "" if item.metadata["live"] else " A change needs a restart."
        default = list(item.default) if isinstance(item.default, tuple) else item.default
        lines += [f"# {item.metadata['doc']}{when}", f"{item.name} = {json.dumps(default)}"]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(reference(), end="")
