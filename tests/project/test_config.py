"""The configuration: every key one by one, and what is refused."""

import re
import subprocess
import sys
import tomllib
from dataclasses import FrozenInstanceError, replace
from pathlib import Path
from typing import Any, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nm import config
from nm.config import Config, ConfigError, differences, load, parse

# key: default, another good value, values of the right type that are out of range (as TOML)
KEYS: dict[str, tuple[object, str, list[str]]] = {
    "daemon.database": ("/var/lib/nm", '"/srv/nm"', ['""', '"nm"', r'"/a\u0000b"']),
    "daemon.lock": ("/run/nm/nmd.lock", '"/tmp/l"', ['""', '"nmd.lock"']),
    "daemon.pid_file": ("/run/nm/nmd.pid", '"/tmp/p"', ['""', '"./nmd.pid"']),
    "daemon.log": ("/var/log/nm/nmd.log", '""', ['"nmd.log"']),
    "daemon.log_level": ("info", '"debug"', ['"loud"', '""', '"INFO"']),
    "api.socket": ("/run/nm/api.sock", '"/tmp/s"', ['"api.sock"', f'"/{"x" * 107}"']),
    "api.tcp": (True, "false", []),
    "api.port": (812, "65535", ["0", "65536", "-1"]),
    "api.addresses": (
        ("127.0.0.1", "::1"),
        '["127.0.0.2"]',
        ["[]", '["0.0.0.0"]', '["::"]', '["192.0.2.1"]', '["localhost"]', '["::1", "0:0::1"]'],
    ),
    "api.tcp_admin": (True, "false", []),
    "api.admin_group": ("nm-admin", '"wheel"', ['""', '"a b"', '"a:b"', f'"{"x" * 33}"']),
    "api.max_connections": (256, "1", ["0", "10001"]),
    "api.max_connections_per_user": (64, "1", ["0", "-5"]),
    "api.request_seconds": (10.0, "0.5", ["0", "601", "nan", "inf"]),
    "api.idle_seconds": (60.0, "5", ["0.0", "86401"]),
    "jobs.deadline_seconds": (600.0, "3600", ["0", "nan"]),
    "jobs.retry_first_seconds": (1.0, "0.1", ["0", "-1.0"]),
    "jobs.retry_longest_seconds": (60.0, "1.0", ["0", "86401"]),
    "leases.longest_seconds": (0, "86400", ["-1", "2147483649"]),
    "leases.grace_seconds": (3600.0, "0", ["-1"]),
    "leases.mass_share": (0.25, "1", ["0", "1.01", "-0.5"]),
    "leases.mass_floor": (3, "0", ["-1"]),
    "leases.clock_jump_seconds": (120.0, "1", ["0.5", "inf"]),
    "switches.timeout_seconds": (30.0, "0.1", ["0", "3601"]),
    "power.off_seconds": (60.0, "0", ["-1"]),
    "hooks.before_give": ("", '"/etc/nm/hooks/check"', ['"check"']),
    "hooks.after_return": ("", '"/etc/nm/hooks/wipe"', ['"./wipe"']),
    "hooks.seconds": (600.0, "3600", ["0", "604801", "nan"]),
    "hooks.at_once": (8, "1", ["0", "1001"]),
    "power.soft_seconds": (20.0, "0", ["-1"]),
    "power.programs": ("/etc/nm/power", '"/srv/power"', ['"power"', '""']),
    "power.at_once": (16, "1", ["0", "1025"]),
    "startup.pause_seconds": (3.0, "0", ["-1", "3601"]),
    "audits.every_seconds": (600.0, "0", ["-1", "0.5", "604801", "nan"]),
    "audits.wait_seconds": (120.0, "0.5", ["0", "86401"]),
    "images.folders": (
        ("/var/lib/nm-images",),
        '["/srv/images", "/dev/vg"]',
        ['["images"]', '["/"]', '["/a/../b"]', '["/a/"]', '"/srv"'],
    ),
    "headnodes.address": ("192.168.10.1/24", '"2001:db8::1/64"', ['""', '"192.168.10.1"', '"host/24"']),
    "headnodes.door": (
        "",
        '"[::1]:22"',
        ['"a b"', '"-oProxyCommand=x"', '"nm.example:0"', '"nm.example:65536"', '"nm.example:"', '":22"'],
    ),
    "headnodes.host_keys": ("/etc/ssh", '"/srv/keys"', ['"keys"', '""']),
    "export.folder": ("/run/nm/headnodes", '"/srv/heads"', ['"heads"']),
    "accounts.shell": ("", '"/usr/lib/nm/forward_api_calls"', ['"forward_api_calls"']),
    "accounts.sliver_shell": ("", '"/usr/lib/nm/sliver_shell"', ['"sliver_shell"']),
    "accounts.homes": ("/var/lib/nm-homes", '"/srv/homes"', ['"homes"', '""']),
    "accounts.first_uid": (70_000, "80000", ["999", "2147483647"]),
    "accounts.last_uid": (99_999, "80000", ["999", "2147483647"]),
    "accounts.root": ("/", '"/srv/chroot"', ['""', '"chroot"']),
    "slivers.uri": ("", '"lxc:///system"', ['"qemu+ssh://a/system"', '"test:///default"']),
    "slivers.image": ("", '"debian"', ['"a b"']),
    "slivers.network": ("", '"bridge:br0"', ['"br0"', '"bridge:"', '"direct:eth0"']),
    "slivers.addresses": ("", '"10.20.0.1/16"', ['"10.20.0.1"', '"x/8"']),
    "slivers.uplink": ("", '"eth1"', ['"a b"', '"a-name-of-16-byt"']),
    "slivers.pool": ("", '"fast"', ['"a b"']),
    "slivers.user": ("root", '"debian"', ['""', '"A"']),
    "slivers.emulate": (False, "true", []),
    "slivers.grace_seconds": (604_800.0, "0", ["-1"]),
    "slivers.look_seconds": (60.0, "5", ["0"]),
    "plc.address": ("", '"https://plc.example.org/PLCAPI/"', ['"http://plc.example.org/"', '"plc"']),
    "plc.ca": ("", '"/etc/nm/plc.pem"', ['"plc.pem"']),
    "plc.node_id_file": ("/etc/nm/node_id", '"/etc/planetlab/node_id"', ['"node_id"', '""']),
    "plc.node_key": ("plc-node-key", '"key"', ['""', '"a/b"']),
    "plc.session": ("", '"plc-session"', ['"a/b"']),
    "plc.prefix": ("pl", '"site"', ['"a/b"']),
    "plc.period_seconds": (600.0, "60", ["0"]),
    "plc.jitter_seconds": (300.0, "0", ["-1"]),
    "plc.timeout_seconds": (300.0, "30", ["0"]),
    "plc.conf_folders": ((), '["/etc/site"]', ['["/"]', '["site"]']),
    "plc.accounts": ((), '["site_admin"]', ['["A b"]']),
    "tickets.keys": ("/etc/nm/ticket-keys", '"/srv/keys"', ['"keys"', '""']),
    "tickets.nodes": ((), '["node7"]', ['["a b"]']),
    "tickets.old": (False, "true", []),
    "descriptions.shells": (False, "true", []),
    "descriptions.user": ("nobody", '"guest"', ['""', '"A"', '"root"']),
    "descriptions.script_seconds": (3600.0, "60", ["0", "86401"]),
    "descriptions.scripts_at_once": (4, "1", ["0", "1001"]),
    "descriptions.folders": ((), '["/srv/images"]', ['["/"]', '["srv"]']),
    "descriptions.components": (20_000, "100", ["0"]),
    "descriptions.environment": ((), '["HOME=/srv", "empty="]', ['["HOME"]', '["=/srv"]', '["a=1", "a=2"]']),
    "descriptions.properties": ((), '["site=lab", "empty="]', ['["site"]', '["=lab"]', '["a=1", "a=2"]']),
    "federation.authority": ("", '"example.org:lab"', ['"a b"', '"a+b"', '":a"']),
    "federation.owner": ("root", '"alice"', ['""', '"A"']),
    "federation.provision": ("auto", '"manual"', ['""', '"never"']),
    "federation.allocated_seconds": (600, "60", ["0"]),
    "federation.provisioned_seconds": (604_800, "60", ["0"]),
    "federation.longest_seconds": (0, "86400", ["-1"]),
    "federation.nodes_per_slice": (0, "4", ["-1"]),
    "federation.nodes_per_person": (0, "4", ["-1"]),
    "federation.slices_per_person": (0, "4", ["-1"]),
    "federation.headnodes": (False, "true", []),
    "federation.hostname": ("", '"nm.example.org"', ['"a b"']),
    "federation.login": ("root", '"debian"', ['""']),
    "federation.country": ("", '"DE"', ['"de"', '"Germany"']),
    "federation.latitude": (0.0, "52.5", ["91", "nan"]),
    "federation.longitude": (0.0, "-13.3", ["181"]),
    "federation.notify": ((), '["Provision", "Delete"]', ['["Status"]', '["Delete", "Delete"]']),
    "geni.addresses": ((), '["0.0.0.0", "::"]', ['["example.org"]', '["::1", "0:0::1"]']),
    "geni.port": (8001, "443", ["0", "65536"]),
    "geni.url": (
        "",
        '"https://am.example.org:8001"',
        ['"http://am.example.org"', '"am.example.org"', '"https://am.example.org/am/3"'],
    ),
    "geni.certificate": ("/etc/nm/geni/server.pem", '"/srv/a.pem"', ['""', '"a.pem"']),
    "geni.server_key": ("/etc/nm/geni/server.key", '"/srv/a.key"', ['""', '"a.key"']),
    "geni.roots": ("/etc/nm/geni/roots", '"/srv/roots"', ['""', '"roots"']),
    "geni.revoked": ("/etc/nm/geni/revoked", '"/srv/revoked"', ['""', '"revoked"']),
    "geni.sha1": (False, "true", []),
    "geni.calls_at_once": (16, "1", ["0"]),
    "geni.max_connections": (256, "1", ["0"]),
    "geni.max_connections_per_address": (64, "1", ["0"]),
    "geni.request_seconds": (30.0, "5", ["0", "601"]),
    "geni.idle_seconds": (120.0, "5", ["0"]),
    "bowl.addresses": ((), '["127.0.0.1", "::1"]', ['["example.org"]', '["::1", "0:0::1"]']),
    "bowl.port": (11223, "443", ["0", "65536"]),
    "bowl.callers": ((), '["portal"]', ['["A"]']),
    "bowl.token": ("", '"bowl"', ['"../bowl"']),
    "bowl.certificate": ("", '"/srv/a.pem"', ['"a.pem"']),
    "bowl.server_key": ("", '"/srv/a.key"', ['"a.key"']),
    "bowl.clients": ("", '"/srv/ca.pem"', ['"ca.pem"']),
    "bowl.max_connections": (64, "1", ["0"]),
    "mail.host": ("localhost", '"192.0.2.7"', ['""', '"a b"']),
    "mail.port": (25, "587", ["0", "65536"]),
    "mail.tls": ("none", '"starttls"', ['""', '"ssl"']),
    "mail.ca": ("", '"/srv/ca.pem"', ['"ca.pem"']),
    "mail.user": ("", '"nm"', []),
    "mail.password": ("", '"mail"', ['"../mail"']),
    "mail.sender": ("nm@localhost", '"nm@example.org"', ['""', '"nm"', '"nm <nm@example.org>"']),
    "mail.admins": ((), '["a@example.org"]', ['["a"]', r'["a@example.org\nBcc: b@example.org"]']),
    "mail.timeout_seconds": (30.0, "5", ["0", "3601"]),
    "mail.retry_first_seconds": (60.0, "1", ["0", "86401"]),
    "mail.retry_longest_seconds": (3600.0, "60", ["0", "604801"]),
    "mail.give_up_days": (5.0, "1", ["0", "31"]),
    "secrets.folder": ("/etc/nm/secrets", '"/root/secrets"', ['"secrets"']),
    "events.max_megabytes": (64.0, "1", ["0.5"]),
    "events.max_days": (90.0, "1", ["0", "36501"]),
    "database.snapshot_megabytes": (16.0, "0.5", ["0", "4097"]),
    "metrics.port": (0, "9812", ["-1", "65536"]),
}
NAMES = sorted(KEYS)
OTHER_TYPES = ["true", "7", "7.5", '"text"', "[1]", "{a = 1}", "1979-05-27"]


def get(configuration: Config, name: str) -> Any:
    section, _, word = name.partition(".")
    return getattr(getattr(configuration, section), word)


def kind_of(name: str) -> Any:
    section, _, word = name.partition(".")
    return get_type_hints(config.SECTIONS[section])[word]


def with_value(name: str, value: str) -> str:
    section, _, word = name.partition(".")
    return f"[{section}]\n{word} = {value}\n"


def refusal(text: str) -> ConfigError:
    with pytest.raises(ConfigError) as refused:
        parse(text, "here.toml")
    assert refused.value.message.startswith("here.toml: ")
    assert refused.value.hint
    return refused.value


def test_the_table_knows_every_key() -> None:
    assert sorted(f"{section}.{item.name}" for section, item in config.all_keys()) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_default(name: str) -> None:
    assert get(Config(), name) == KEYS[name][0]


@pytest.mark.parametrize("name", NAMES)
def test_another_value_is_taken_and_changes_nothing_else(name: str) -> None:
    text = with_value(name, KEYS[name][1])
    expected = tomllib.loads(text)[name.partition(".")[0]][name.partition(".")[2]]
    loaded = parse(text)
    assert get(loaded, name) == (tuple(expected) if isinstance(expected, list) else expected)
    assert type(get(loaded, name)) is type(KEYS[name][0])
    changed = differences(Config(), loaded)
    assert changed.live + changed.restart == (name,)
    assert (changed.live == (name,)) == (name in loaded.reloadable)


@pytest.mark.parametrize(("name", "value"), [(name, value) for name in NAMES for value in OTHER_TYPES])
def test_wrong_type(name: str, value: str) -> None:
    kind = kind_of(name)
    if type(tomllib.loads(f"x = {value}")["x"]) in {kind, {float: int}.get(kind)}:
        return  # the right one
    refused = refusal(with_value(name, value))
    assert name in refused.message
    expected = {bool: "true or false", int: "a whole number", float: "a number", str: "a string"}
    assert f"expected {expected.get(kind, 'a list of strings')}" in refused.message


@pytest.mark.parametrize(("name", "value"), [(name, value) for name in NAMES for value in KEYS[name][2]])
def test_out_of_range(name: str, value: str) -> None:
    refused = refusal(with_value(name, value))
    assert f"{name}: found " in refused.message
    assert "expected " in refused.message


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("[api]\nprot = 1", "api.prot is no key", "did you mean api.port?"),
        ("[daemon]\nport = 1", "daemon.port is no key", "it belongs in [api]"),
        ("[power]\nxyzzy = 1", "power.xyzzy is no key", "valid keys: off_seconds"),
        ("port = 1", "port is no section", "it belongs in [api]"),
        ("[zzz]", "zzz is no section", "valid sections: daemon, api, jobs"),
        ("[daemons]", "daemons is no section", "did you mean daemon?"),
        ("api = 3", "api: found 3, expected a table", "write [api]"),
        ("[[api]]", "api: found [{}], expected a table", "write [api]"),
        ('[api]\n"a\\nb" = 1', "api.'a\\nb' is no key", "valid keys: socket"),
        ("[api\nport = 1", "is not TOML: ", "correct that line"),
        ("[api]\nport = 1\nport = 2", "is not TOML: Cannot overwrite", "correct that line"),
        ('[api]\ntcp = false\nsocket = ""', "api.tcp is false and api.socket is empty", "one door"),
        ('[daemon]\nlock = "/a"\npid_file = "/a"', "are the same file", "two files"),
        ("[jobs]\nretry_first_seconds = 9\nretry_longest_seconds = 8", "is greater than", "correct them"),
    ],
)
def test_refused_with_path_and_hint(text: str, message: str, hint: str) -> None:
    refused = refusal(text)
    assert message in refused.message
    assert hint in refused.hint


@pytest.mark.parametrize("digits", [400, 5000])
def test_a_number_beyond_measure_is_refused(digits: int) -> None:
    with pytest.raises(ConfigError):
        parse(f"[jobs]\ndeadline_seconds = 1{'0' * digits}\n")


def test_a_long_value_is_shown_cut() -> None:
    assert len(refusal(with_value("daemon.log_level", f'"{"x" * 5000}"')).message) < 200


@given(st.recursive(st.integers() | st.text() | st.booleans(), lambda inner: st.lists(inner, max_size=2)))
def test_whatever_stands_there_is_taken_or_refused(value: object) -> None:
    try:
        assert isinstance(config._section("api", {"addresses": value, "socket": value}), config.Api)
    except ConfigError as refused:
        message = refused.message
    else:
        message = "api."
    assert message.startswith("api.")


def test_frozen() -> None:
    with pytest.raises(FrozenInstanceError):
        Config().api.port = 1  # type: ignore[misc]


def test_the_default_file_may_be_absent(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(config, "DEFAULT_PATH", tmp_path / "nm.toml")
    assert load() == Config()
    (tmp_path / "nm.toml").write_text("[api]\nport = 1812\n")
    assert load().api.port == 1812


@pytest.mark.parametrize(
    ("prepare", "message"),
    [
        (lambda path: None, "no such file"),
        (lambda path: path.mkdir(), "Is a directory"),
        (lambda path: path.write_bytes(b"\xff\xfe"), "not UTF-8"),
    ],
    ids=["absent", "folder", "binary"],
)
def test_a_named_file_must_be_readable(prepare: Any, message: str, tmp_path: Path) -> None:
    prepare(tmp_path / "x.toml")
    with pytest.raises(ConfigError, match=message) as refused:
        load(tmp_path / "x.toml")
    assert str(tmp_path / "x.toml") in refused.value.message
    assert refused.value.exit_status == 3


def test_differences_part_what_needs_a_restart() -> None:
    old = Config()
    new = replace(
        old, api=replace(old.api, port=1, max_connections=9), daemon=replace(old.daemon, log_level="error")
    )
    assert differences(old, new) == (("daemon.log_level", "api.max_connections"), ("api.port",))
    assert differences(new, new) == ((), ())


def test_the_reference_explains_every_key_and_holds_the_defaults() -> None:
    text = subprocess.run(
        [sys.executable, "-m", "nm.config"], check=True, capture_output=True, text=True, timeout=20
    ).stdout
    assert parse(text) == Config()
    assert len(re.findall(r"^# .{10,}\n\w+ = ", text, re.MULTILINE)) == len(NAMES)
