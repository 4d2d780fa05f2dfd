"""What the parts of the daemon are told, of a configuration. Called by the service, and where it begins."""

import socket
from pathlib import Path
from typing import Any

from nm import converge, hands, leases, management, names, patrol, sliverservice
from nm.calls import Describing, Site
from nm.config import Config
from nm.federation.visits import Rules as GuestRules
from nm.geni.rspec.aggregate import Aggregate, Place
from nm.headdoor import HeadDoor
from nm.headkeys import HeadKeys
from nm.httpreading import Limits
from nm.methods import METHODS
from nm.switch import Registry
from nm.unixaccounts import Places

MEGABYTE = 1 << 20


def site_of(config: Config, registry: Registry) -> Site:
    """What operations must know of an installation with that configuration."""
    return Site(
        drivers=registry,
        power={kind: driver.settings for kind, driver in management.KINDS.items()},
        longest_lease=config.leases.longest_seconds or None,
        methods=frozenset(METHODS),
        image_folders=config.images.folders,
        mail=bool(config.mail.admins),
        describing=describing(config),
        **accounts_of(config),
        **sliverservice.site(config),
    )


def describing(config: Config) -> Describing:
    """What descriptions may do."""
    found = config.descriptions
    properties, environment = map(_pairs, (found.properties, found.environment))
    return Describing(
        found.shells, found.folders, found.components, properties, environment, found.script_seconds
    )


def _pairs(texts: tuple[str, ...]) -> dict[str, str]:
    return {name: value for name, _, value in (text.partition("=") for text in texts)}


def base_folders(config: Config) -> tuple[str, ...]:
    """Where files may lie of which described domains' disks are made, and by which they start."""
    return (*config.images.folders, *config.descriptions.folders)


def heads(config: Config) -> hands.HeadSettings:
    """What head nodes that nm makes are given."""
    lists = Path(config.export.folder)
    door = config.headnodes.door
    keys = HeadKeys(config.daemon.database)
    return hands.HeadSettings(
        config.headnodes.address,
        config.images.folders,
        lists,
        HeadDoor(door, config.headnodes.host_keys, keys) if door else None,
    )


def patience(config: Config) -> converge.Patience:
    """How long workers try."""
    return converge.Patience(
        config.jobs.deadline_seconds, config.jobs.retry_first_seconds, config.jobs.retry_longest_seconds
    )


def rules(config: Config) -> leases.Rules:
    """When ends are held back."""
    found = config.leases
    return leases.Rules(found.grace_seconds, found.clock_jump_seconds, found.mass_share, found.mass_floor)


def rounds(config: Config) -> patrol.Rules:
    """When audits are made, and how long they wait."""
    return patrol.Rules(config.audits.every_seconds, config.audits.wait_seconds)


def kept(config: Config) -> tuple[int, float]:
    """Bytes and seconds that events are kept."""
    return int(config.events.max_megabytes * MEGABYTE), config.events.max_days * 86400


def limits(config: Config) -> Limits:
    """What the door lets one caller do."""
    return Limits(
        header_seconds=config.api.request_seconds,
        request_seconds=config.api.request_seconds,
        idle_seconds=config.api.idle_seconds,
        connections=config.api.max_connections,
        connections_per_user=config.api.max_connections_per_user,
    )


def places(config: Config) -> Places:
    """Where Unix accounts are."""
    found = config.accounts
    return Places(
        root=Path(found.root),
        homes=found.homes,
        shell=found.shell,
        first_uid=found.first_uid,
        last_uid=found.last_uid,
        head_keys=config.daemon.database,
        sliver_shell=found.sliver_shell,
        guest_network=config.slivers.addresses,
        guest_user=config.slivers.user,
    )


def accounts_of(config: Config) -> dict[str, Any]:
    """What a Site says of Unix accounts."""
    found = places(config)
    return {
        "uids": (found.first_uid, found.last_uid) if found.shell else None,
        "head_accounts": bool(found.shell and config.headnodes.door),
        **names.look_ups(found.root),
    }


# ---- people of elsewhere


def guest_rules(config: Config) -> GuestRules:
    """By what rules they reserve, through whatever door."""
    found = config.federation
    hostname = found.hostname or socket.gethostname()
    place = Place(found.country, found.latitude, found.longitude) if found.country else None
    return GuestRules(
        Aggregate(found.authority or f"nm.{hostname}", _geni_url(config, hostname), place),
        owner=found.owner,
        manual=found.provision == "manual",
        allocated=found.allocated_seconds,
        provisioned=found.provisioned_seconds,
        longest=found.longest_seconds or None,
        nodes_a_slice=found.nodes_per_slice or None,
        slices_a_person=found.slices_per_person or None,
        nodes_a_person=found.nodes_per_person or None,
        headnodes=found.headnodes,
        hostname=hostname,
        login=found.login,
        mails=frozenset(found.notify),
    )


def _geni_url(config: Config, hostname: str) -> str:
    found = config.geni
    if not found.addresses:
        return ""
    return found.url or f"https://{hostname}:{found.port}"


def geni_limits(config: Config) -> Limits:
    """What GENI's door lets one caller do: a request RSpec, and the credentials beside it."""
    found = config.geni
    return Limits(
        body=4 * MEGABYTE,
        header_seconds=found.request_seconds,
        request_seconds=found.request_seconds,
        idle_seconds=found.idle_seconds,
        connections=found.max_connections,
        connections_per_user=found.max_connections_per_address,
        reserved_for_admins=0,
    )
