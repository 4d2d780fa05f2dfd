"""What makes a lab an aggregate of GENI's: a clearing house of its own, and two people who have a slice each.

All of it lies in the lab's folder, as `nmctl geni` makes it. What people use, in the world, is in their
wallets. Called by rack and daemon.
"""

from pathlib import Path

from nm.clearing import files, identity
from nm.clearing.house import SERVER_FILE, SERVER_KEY, House
from nm.clearing.identity import DAY, Life
from nm.clearing.trust import REVOKED, ROOTS
from nm.lab import world
from nm.lab.place import Lab
from nm.lab.running import INSIDE, run

FOLDER = "geni"  # in the lab's folder
AUTHORITY = "lab.example"
PORT, BOWL_PORT = 8001, 11223  # of GENI's door, in the world; of BOWL's, on the lab's machine alone
URL = f"https://{world.HOST}:{PORT}"
PEOPLE = {"alice": "alpha", "bob": "beta"}  # who has which slice
LIFE = 20 * DAY  # seconds, of the slices


def prepare(folder: Path) -> None:
    """Make it in a lab's folder."""
    house = House(folder / FOLDER)
    house.found(AUTHORITY, (world.HOST,))
    for person, name in PEOPLE.items():
        made = house.user(person, Life.of(2 * LIFE), f"{person}@{AUTHORITY}")
        house.slice(name, Life.of(LIFE))
        _give(house, person, name)
        key = made.folder / "id_ed25519"
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", f"{person}@{AUTHORITY}", "-f", str(key))


def _give(house: House, person: str, name: str) -> None:
    """The person may use the slice for as long as it lasts."""
    wallet = house.wallet(person)
    text, _ = house.credential(identity.chain_of(wallet.identity), name, None)
    files.create(wallet.slice_credential(name), text.encode())


def wallet(lab: Lab, person: str) -> Path:
    """The folder of a person's things, as this side sees it."""
    return House(lab.folder / FOLDER).wallet(person).folder


def configuration(headnodes: bool) -> str:
    """What nmd's configuration says of all that; sections of their own. `headnodes`: each slice gets one."""
    here = f"{INSIDE}/{FOLDER}"
    return f"""\
[federation]
authority = "{AUTHORITY}"
headnodes = {str(headnodes).lower()}
hostname = "{world.HOST}"
[geni]
addresses = ["{world.HOST}"]
port = {PORT}
url = "{URL}"
certificate = "{here}/{SERVER_FILE}"
server_key = "{here}/{SERVER_KEY}"
roots = "{here}/{ROOTS}"
revoked = "{here}/{REVOKED}"
[bowl]
addresses = ["127.0.0.1"]
port = {BOWL_PORT}
"""
