"""Secrets: the passwords and keys of devices, which records know by name only.

Ground: the one room that reads them, from a file each below the secrets folder or from the
environment. Called by whoever constructs a driver, at every log-in, so that a changed secret is
used at once; holds no lock. The content appears in no message and no repr.
"""

import os
import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NoReturn

from nm.errors import NMError
from nm.records import check_name

LONGEST = 65536  # bytes; a private key is far smaller
PRIVATE = 0o077  # mode bits that a secret must not have
OTHERS_WRITE = 0o022  # mode bits that its folder must not have


class SecretError(NMError):
    """A secret is missing, or lies where others could have read or written it."""

    code = 107  # the device that needs it cannot be used


class Secret(str):
    """The text of a secret, that does not show itself and cannot be stored."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "<secret>"

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a secret is not stored: store its name")


def nobody(value: str) -> None:
    """Tell nobody of a secret."""


class Secrets:
    """The secrets below one folder, and those in the environment.

    `tell` is called with every secret that is looked up, so that the log can keep it out.
    """

    def __init__(
        self,
        folder: str | Path,
        environment: Mapping[str, str] = os.environ,
        tell: Callable[[str], None] = nobody,
    ) -> None:
        self._folder = Path(folder)
        self._environment = environment
        self._tell = tell

    def lookup(self, name: str) -> str:
        """The secret of that name: what its file holds, or else its variable. Else SecretError."""
        check_name(name, "secret")
        text = self._from_file(name)
        if text is None:
            text = self._environment.get(variable(name))
        if not text:
            raise SecretError(
                f"no secret {name}: there is no file {self._folder / name} and no variable {variable(name)}",
                f"write it to {self._folder / name}, with mode 0600",
            )
        self._tell(text)
        return Secret(text)

    def _from_file(self, name: str) -> str | None:
        """What the secret's file holds, less one line end; None when there is no such file."""
        path = self._folder / name
        try:
            folder = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                check_folder(self._folder, os.fstat(folder))
                flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
                file = os.open(name, flags, dir_fd=folder)
            finally:
                os.close(folder)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise SecretError(
                f"{path} cannot be opened: {error.strerror}",
                "let it be a regular file, not a link, of mode 0600",
            ) from None
        try:
            _check_file(path, os.fstat(file))
            return _text(path, os.read(file, LONGEST + 1))
        finally:
            os.close(file)


def variable(name: str) -> str:
    """The environment's variable for the secret of that name, as NM_SECRET_SW0_PASSWORD for sw0-password."""
    return "NM_SECRET_" + "".join(sign if sign.isalnum() else "_" for sign in name.upper())


def check_folder(path: Path, status: os.stat_result) -> None:
    """SecretError when others than root could have put something into the folder."""
    if status.st_uid not in {0, os.geteuid()}:
        raise SecretError(f"{path} belongs to somebody else", f"chown root {path}")
    if status.st_mode & OTHERS_WRITE:
        raise SecretError(f"{path} can be written by others", f"chmod go-w {path}")


def _check_file(path: Path, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise SecretError(f"{path} is no regular file", "put the secret into a file of its own")
    if status.st_uid not in {0, os.geteuid()}:
        raise SecretError(f"{path} belongs to somebody else", f"chown root {path}")
    if status.st_mode & PRIVATE:
        raise SecretError(
            f"{path} has mode {stat.S_IMODE(status.st_mode):04o}: others may have read it",
            f"chmod 0600 {path}, and change the secret",
        )


def _text(path: Path, content: bytes) -> str:
    if len(content) > LONGEST:
        raise SecretError(f"{path} is longer than {LONGEST} bytes", "put nothing but the secret into it")
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        raise SecretError(f"{path} is not UTF-8 text", "put nothing but the secret into it") from None
    text = text.removesuffix("\n").removesuffix("\r")
    if not text:
        raise SecretError(f"{path} is empty", "write the secret into it")
    return text
