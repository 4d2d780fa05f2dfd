"""IPMI 2.0 over the LAN, by the program ipmitool: one run a verb, with the password on its standard input.

No library does it: see ARCHITECTURE.md. What ipmitool prints is for people, so the few words that decide
are in the tables here; everything else is passed on as it said it.
"""

import re
import subprocess
from collections.abc import Mapping
from typing import Any, ClassVar

from nm.errors import DeviceFailed, Invalid
from nm.processor import Settings

PORT = 623
ANSWER = 10.0  # seconds for one run; a processor that is silent is given up after about 6 by ipmitool itself
PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
LONGEST_PASSWORD = 20  # bytes, by the standard
NO_REASON = "it gave no reason"

_FULL = re.compile(r"[Ii]nsufficient resources|(invalid|inactive) session ID")
_WRONG_PRIVILEGE = re.compile(
    r"invalid role|unauthorized role|[Ii]nsufficient privilege|privilege level.*exceed"
)
# What -v tells of the set-up of each session, also of one in which all goes well, and of answers that came
# too late.
_CHATTER = re.compile(
    r"PEN Registry|Request Match NOT FOUND|Invalid completion code received|VSO Capabilities|IPMB address"
    r"|best available cipher|does not match active session|Unexpected message ID"
)
# What a processor says that is slow, busy or just starting: the same question again is answered. What follows
# "message indicates an error" is one of RMCP+'s status codes.
_PASSING = re.compile(
    r"insufficient resources|message indicates an error : (invalid session ID|no errors)|No session slot"
    r"|No slot available|Node busy|Out of space|initialization in progress|duplicated request"
    r"|Unspecified error|Destination unavailable|Command response could not be provided"
)
_WRONG_PASSWORD = re.compile(
    r"HMAC is invalid|unauthorized name|RAKP \d message (indicates an error|has invalid)|Invalid user"
)
_WRONG_CIPHER = re.compile(
    r"invalid (authentication|integrity|confidentiality) algorithm|is not what we requested|cipher suite"
)
_REFUSED = re.compile(r"Invalid (command|data)|[Ii]nsufficient privilege|Illegal parameter")
_SILENT = re.compile(r"Unable to establish|no response|Get Auth Capabilities error|[Tt]imeout|Address lookup")
_BOOT_FLAGS = re.compile(r"Boot parameter data: [0-9a-f]{2}([0-9a-f]{2})")
_DEVICES = {1: "pxe", 2: "disk"}  # the selector of IPMI 2.0, table 28-14


def _check(management: Mapping[str, Any]) -> None:
    if not 0 <= management.get("cipher", 3) <= 17:
        raise Invalid(
            f"cipher {management['cipher']} is no cipher suite of IPMI", "use 3 or 17, or leave it out"
        )


class IpmiPower:
    """A baseboard management controller."""

    kind: ClassVar[str] = "ipmi"
    settings: ClassVar[Settings] = Settings(
        {"cipher": int, "privilege": ("administrator", "operator"), "firmware": ("bios", "uefi")},
        frozenset({"address", "user"}),
        frozenset({"password"}),
        _check,
    )

    def __init__(self, management: Mapping[str, Any], secrets: Mapping[str, str]) -> None:
        self._place = f"{management['address']}:{management.get('port', PORT)}"
        self._password = secrets["password"]
        self._options = "persistent,efiboot" if management.get("firmware") == "uefi" else "persistent"
        self._command = [
            *("ipmitool", "-v", "-I", "lanplus", "-N", "1", "-R", "2", "-f", "/dev/stdin"),
            *("-H", management["address"], "-p", str(management.get("port", PORT)), "-U", management["user"]),
            *("-L", management.get("privilege", "administrator").upper()),
        ]
        if "cipher" in management:
            self._command += ["-C", str(management["cipher"])]

    def is_on(self) -> bool:
        """As the chassis says."""
        told = self._run("chassis", "power", "status")
        if "Chassis Power is" not in told:
            raise DeviceFailed(f"the processor at {self._place} does not tell its power state: {_last(told)}")
        return "Chassis Power is on" in told

    def switch(self, on: bool) -> None:
        """Power up, or down without asking the system."""
        self._run("chassis", "power", "on" if on else "off")

    def ask_to_stop(self) -> None:
        """The same as a short press of the power button."""
        self._run("chassis", "power", "soft")

    def boot_from(self, device: str) -> None:
        """Set the boot flags, from now on."""
        self._run("chassis", "bootdev", device, f"options={self._options}")

    def boots_from(self) -> str | None:
        """The boot flags' device."""
        flags = _BOOT_FLAGS.search(self._run("chassis", "bootparam", "get", "5"))
        return _DEVICES.get(int(flags[1], 16) >> 2 & 0xF, "") if flags else None

    def close(self) -> None:
        """Each run logged out."""

    def _run(self, *verb: str) -> str:
        """What it printed; DeviceFailed in words of ours where the cause is known, else in its own."""
        if len(self._password.encode()) > LONGEST_PASSWORD:
            raise DeviceFailed(
                f"the password for {self._place} has more than {LONGEST_PASSWORD} bytes",
                "IPMI takes no longer one: change it, and the secret",
                passing=False,
            )
        try:
            ended = subprocess.run(
                [*self._command, *verb],
                input=self._password,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=ANSWER,
                check=False,
                env={"PATH": PATH, "LC_ALL": "C"},
            )
        except FileNotFoundError:
            raise DeviceFailed(
                "the program ipmitool is not there", "install the package ipmitool", passing=False
            ) from None
        except subprocess.TimeoutExpired:
            raise self._silent() from None
        if ended.returncode != 0:
            raise self._explained(_reasons(ended.stderr))
        return ended.stdout

    def _explained(self, told: str) -> DeviceFailed:
        """The order counts: what is said of a role or a session is said in the words of a wrong password."""
        if _FULL.search(told):
            return DeviceFailed(
                f"the processor at {self._place} has no session to spare",
                "end sessions of others there, or wait until they are over",
            )
        if _PASSING.search(told):
            return DeviceFailed(f"the processor at {self._place}: {_last(told)}")
        if _WRONG_PRIVILEGE.search(told):
            return DeviceFailed(
                f"the processor at {self._place} gives the user too few rights: {_last(told)}",
                "let the user be an operator there, and set privilege=operator",
                passing=False,
            )
        if _WRONG_PASSWORD.search(told):
            return DeviceFailed(
                f"the processor at {self._place} refused the user or the password",
                "see the node's management: its user, and the secret that it names",
                passing=False,
            )
        if _WRONG_CIPHER.search(told):
            return DeviceFailed(
                f"the processor at {self._place} has not that cipher suite: {_last(told)}",
                "set cipher of the node's management to 3 or to 17",
                passing=False,
            )
        if _SILENT.search(told):
            return self._silent()
        return DeviceFailed(
            f"the processor at {self._place}: {_last(told)}", passing=not _REFUSED.search(told)
        )

    def _silent(self) -> DeviceFailed:
        return DeviceFailed(
            f"the processor at {self._place} does not answer",
            "see its address and cable, that IPMI over LAN is enabled, and that it knows the user",
        )


def _reasons(told: str) -> str:
    """What says why, without the chatter: that would be taken for a reason."""
    return "\n".join(line for line in told.splitlines() if line.strip() and not _CHATTER.search(line))


def _last(told: str) -> str:
    """The last line that says something, in one piece."""
    lines = [line.strip(" >") for line in told.splitlines()]
    return next((line for line in reversed(lines) if line and "Unable to establish" not in line), NO_REASON)[
        :200
    ]
