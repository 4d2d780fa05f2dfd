"""Who is behind a connection: what the kernel says, asked once, when it is accepted.

On the Unix socket SO_PEERCRED answers. On TCP the kernel's socket table does: one exact inet_diag
request for the peer's end of the connection. Nothing here believes what a client says of itself.

A socket that its owner has closed is reported with uid 0, and a listening socket may be reported in the
place of one that is gone; so an answer counts only while the peer's end is open, belongs to a process, and
our own end still lives. Whoever is not known is NOBODY. `Kernel` is the gate of doors on this machine, which
the HTTP server (nm/http.py) is given; holds no lock.
"""

import grp
import pwd
import re
import socket
import struct
import sys
import time
from collections.abc import Callable

from pyroute2.netlink import NLM_F_REQUEST
from pyroute2.netlink.diag import SOCK_DIAG_BY_FAMILY, inet_diag_msg, inet_diag_req

from nm.calls import NOBODY, Caller
from nm.gate import Visitor

_NETLINK_SOCK_DIAG = 4
_NO_COOKIE = 2**64 - 1
_PEERCRED = struct.Struct("3i")  # pid, uid, gid
_V4_MAPPED = bytes(10) + b"\xff\xff"
_ESTABLISHED, _FIN_WAIT1, _FIN_WAIT2, _CLOSE_WAIT = 1, 4, 5, 8
_PEER_OPEN = (_ESTABLISHED, _FIN_WAIT1, _FIN_WAIT2)  # FIN_WAIT: has sent all, still waits for the answer
_OURS_OPEN = (_ESTABLISHED, _CLOSE_WAIT)
_HOST = re.compile(rb"(localhost|127\.0\.0\.1|\[::1\])(:\d{1,5})?", re.IGNORECASE)


def peer_uid(connection: socket.socket) -> int | None:
    """The uid behind an accepted connection, or None when the kernel cannot tell."""
    if connection.family == socket.AF_UNIX:
        credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEERCRED.size)
        uid: int = _PEERCRED.unpack(credentials)[1]
        return uid if uid >= 0 else None
    try:
        return _tcp_uid(connection)
    except OSError:  # the peer is gone, or this kernel has no socket diagnosis
        return None


def _tcp_uid(connection: socket.socket) -> int | None:
    """The owner of the peer's end. The request's source is the peer's end, its destination is ours."""
    here, there = connection.getsockname(), connection.getpeername()
    family, here_words = _address(connection.family, here[0])
    _, there_words = _address(connection.family, there[0])
    answer = _ask_socket_table(family, (there_words, there[1]), (here_words, here[1]))
    if answer is None or answer["idiag_state"] not in _PEER_OPEN or not answer["idiag_inode"]:
        return None
    # While our end lives nobody else can have the peer's address and port, so the answer was about our peer.
    if connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] not in _OURS_OPEN:
        return None
    return int(answer["idiag_uid"])


def _address(family: int, text: str) -> tuple[int, tuple[int, ...]]:
    """The address as the socket table has it: family and four words; v4-mapped ones are IPv4."""
    packed = socket.inet_pton(family, text.partition("%")[0])
    if packed.startswith(_V4_MAPPED):
        packed = packed[12:]
    family = socket.AF_INET if len(packed) == 4 else socket.AF_INET6
    return family, struct.unpack(">4I", packed.ljust(16, b"\0"))


def _ask_socket_table(
    family: int, source: tuple[tuple[int, ...], int], destination: tuple[tuple[int, ...], int]
) -> inet_diag_msg | None:
    """The kernel's entry for exactly this TCP socket, or None."""
    request = inet_diag_req()
    request["header"]["type"] = SOCK_DIAG_BY_FAMILY
    request["header"]["flags"] = NLM_F_REQUEST
    request["sdiag_family"] = family
    request["sdiag_protocol"] = socket.IPPROTO_TCP
    request["idiag_states"] = 0xFFFFFFFF
    request["idiag_src"], request["idiag_sport"] = source
    request["idiag_dst"], request["idiag_dport"] = destination
    request["idiag_cookie"] = _NO_COOKIE
    request.encode()
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_SOCK_DIAG) as netlink:
        netlink.settimeout(1.0)
        netlink.send(request.data)
        data = netlink.recv(65536)
    if int.from_bytes(data[4:6], sys.byteorder) != SOCK_DIAG_BY_FAMILY:
        return None
    answer = inet_diag_msg(data)
    answer.decode()
    return answer


class People:
    """Turns uids into callers by the machine's account database, remembered for a few seconds.

    `is_own` says of a name and uid whether nm makes such accounts: they never administer, whatever group
    lists the name, for people choose the names of groups and so of their accounts.
    """

    def __init__(
        self,
        admin_group: str = "nm-admin",
        tcp_admin: bool = True,
        remember: float = 5.0,
        is_own: Callable[[str, int], bool] = lambda name, uid: False,
    ) -> None:
        self._admin_group = admin_group
        self._tcp_admin = tcp_admin
        self._is_own = is_own
        self._remember = remember
        self._known: dict[tuple[int, str], tuple[float, Caller]] = {}

    def caller(self, uid: int | None, door: str, now: float) -> Caller:
        """The caller of that uid on that door ("unix" or "tcp"). `now`: any steadily growing time."""
        if uid is None:
            return NOBODY
        until, caller = self._known.get((uid, door), (now, NOBODY))
        if now >= until:
            caller = self._look_up(uid, door)
            self._known[uid, door] = (now + self._remember, caller)
        return caller

    def _look_up(self, uid: int, door: str) -> Caller:
        try:
            account = pwd.getpwuid(uid)
        except KeyError:
            return Caller(uid, str(uid), uid == 0 and self._may_administer(door), door)
        admin = self._may_administer(door) and (uid == 0 or self._is_member(account))
        return Caller(uid, account.pw_name, admin, door)

    def _may_administer(self, door: str) -> bool:
        return self._tcp_admin or door != "tcp"

    def _is_member(self, account: pwd.struct_passwd) -> bool:
        if self._is_own(account.pw_name, account.pw_uid):
            return False
        try:
            group = grp.getgrnam(self._admin_group)
        except KeyError:
            return False
        return account.pw_gid == group.gr_gid or account.pw_name in group.gr_mem


class Kernel:
    """The gate of doors on this machine: in the clear, and the kernel says who comes. A key is a uid."""

    def __init__(self, people: People) -> None:
        self._people = people

    def greet(self, client: socket.socket) -> Visitor:
        """Asks the kernel."""
        return Visitor(client, peer_uid(client))

    def enter(self, visitor: Visitor) -> None:
        """Nothing more is asked."""

    def who(self, visitor: Visitor) -> Caller:
        """The account of that uid."""
        uid = visitor.key
        return self._people.caller(uid if isinstance(uid, int) else None, _door(visitor), time.monotonic())

    def is_counted(self, visitor: Visitor) -> bool:
        """All but root."""
        return visitor.key != 0

    def comes_first(self, visitor: Visitor) -> bool:
        """Administrators."""
        return self.who(visitor).admin

    def hosts(self, visitor: Visitor) -> re.Pattern[bytes] | None:
        """This machine's loopback, on TCP: a browser can be led here by another name."""
        return _HOST if _door(visitor) == "tcp" else None


def _door(visitor: Visitor) -> str:
    return "unix" if visitor.channel.family == socket.AF_UNIX else "tcp"
