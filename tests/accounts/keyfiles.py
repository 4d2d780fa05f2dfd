"""Private keys as ssh-keygen reads them."""

import subprocess
from pathlib import Path


def public_of(private: str, folder: Path) -> str:
    """The text of the public half."""
    file = folder / "private"
    file.touch(mode=0o600)
    file.write_text(private)
    told = subprocess.run(["ssh-keygen", "-y", "-f", file], capture_output=True, text=True, check=True)
    return told.stdout.split()[1]
