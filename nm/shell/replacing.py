"""Files that nmctl writes for people: replaced in one step, so that a full disk leaves the old one."""

import os
import shutil

from nm.shell.failures import CONFIG, Failure


def replace(path: str, text: str) -> None:
    """Give the file that text; where a link leads, the file there. Its mode stays."""
    target = os.path.realpath(path)
    temporary = f"{target}.new"
    try:
        with open(temporary, "w", encoding="utf-8", newline="") as file:
            file.write(text)
        if os.path.exists(target):
            shutil.copymode(target, temporary)
        os.replace(temporary, target)
    except OSError as error:
        raise Failure(f"cannot write {path}: {error.strerror}", "name another file", CONFIG) from None
