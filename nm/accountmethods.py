"""The rows of the table of methods for accounts. Pure."""

from nm import delegates
from nm.arguments import KEYS, NAME, RIGHTS, STRUCT, Param, read_row, write_row

_FILTER = Param("filter", STRUCT, "keys of the structs to a value or a list of values; {} for all")
_NAME = Param("name", NAME)
_RIGHTS = Param(
    "rights", RIGHTS, "spy, reserve, describe; reserve and describe may have limits: docs/access.md"
)

ACCOUNTS = (
    write_row(
        "CreateDelegate",
        delegates.create_delegate,
        "Makes a Unix account that can do nothing but call the API, through SSH. Answers a job's id.",
        _NAME,
        Param("keys", KEYS),
        _RIGHTS,
        since=2,
    ),
    write_row(
        "DestroyDelegate",
        delegates.destroy_delegate,
        "Removes a delegate's account and ends its connections. Answers a job's id.",
        _NAME,
        since=2,
    ),
    write_row(
        "SetDelegateKeys",
        delegates.set_delegate_keys,
        "Lets a delegate in by these keys only; connections end when one was taken away. Answers a job's id.",
        _NAME,
        Param("keys", KEYS),
        since=2,
    ),
    read_row(
        "GetDelegates",
        delegates.get_delegates,
        "array",
        "The delegates, and the accounts of this machine that have rights, in the order of their names.",
        _FILTER,
        since=2,
    ),
    write_row(
        "SetRights",
        delegates.set_rights,
        "Sets all rights of a delegate, or of an account of this machine; at once. Answers 1.",
        _NAME,
        _RIGHTS,
        since=2,
    ),
)
