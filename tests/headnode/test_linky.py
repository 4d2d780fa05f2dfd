"""linky without power: links on temporary folders, what it remembers, and what it leaves alone."""

import json
import multiprocessing
import os
from dataclasses import replace
from pathlib import Path

import pytest
from nm_head import bootdisk, links, linky, state
from nm_head.errors import HeadError
from nm_head.settings import Settings, load

from tests.headnode.conftest import CENTOS, DEBIAN, mac, machine, write_list

ONE, TWO = "pxelinux.cfg/01-52-54-00-00-00-01", "pxelinux.cfg/01-52-54-00-00-00-02"


def run(settings: Settings, everything: bool = False) -> None:
    assert linky.run(settings, everything, power=False) == 0


def below(settings: Settings) -> dict[str, str]:
    """All that lies below the TFTP root: targets of links, and texts."""
    places = [place for place in settings.tftp.rglob("*") if place.is_symlink() or place.is_file()]
    return {
        str(place.relative_to(settings.tftp)): f"-> {place.readlink()}"
        if place.is_symlink()
        else place.read_text()
        for place in places
    }


def test_links_come_and_go_with_the_machines(settings: Settings) -> None:
    write_list(settings.moc, [machine(1, CENTOS), machine(2, DEBIAN), machine(3)])
    run(settings)
    found = below(settings)
    assert found[ONE] == "-> ../centos/pxelinux.cfg" and found["nm-boot"] == f"-> {settings.moc}/boot"
    assert found[TWO] == (
        "# Made by linky for n2: debian\nDEFAULT nm\nLABEL nm\n  KERNEL nm-boot/debian/kernel\n"
        "  INITRD nm-boot/debian/initrd\n  APPEND quiet\n"
    )
    assert found["ipxe/52-54-00-00-00-02.ipxe"] == (
        "#!ipxe\n# Made by linky for n2: debian\n"
        "kernel http://127.0.0.1/nm-boot/debian/kernel quiet initrd=initrd\n"
        "initrd --name initrd http://127.0.0.1/nm-boot/debian/initrd\nboot\n"
    )
    assert "centos/boot.ipxe" in found["ipxe/52-54-00-00-00-01.ipxe"]
    assert not [path for path in found if "00-03" in path]
    write_list(settings.moc, [machine(2, CENTOS)])
    run(settings)
    found = below(settings)
    assert found[TWO] == "-> ../centos/pxelinux.cfg" and not [path for path in found if "00-01" in path]
    write_list(settings.moc, [])
    run(settings)
    assert set(below(settings)) == {"boot.ipxe", "nm-boot", "pxelinux.cfg/default"}


def test_what_is_not_linkys_own_stays(settings: Settings) -> None:
    write_list(settings.moc, [machine(1, CENTOS), machine(2, CENTOS)])
    (settings.tftp / "pxelinux.cfg").mkdir()
    (settings.tftp / ONE).symlink_to("../mine/pxelinux.cfg")
    (settings.tftp / "boot.ipxe").write_text("#!ipxe\nshell\n")
    (settings.tftp / "pxelinux.cfg/01-52-54-00-00-00-09").symlink_to("../centos/pxelinux.cfg")
    run(settings)
    write_list(settings.moc, [])
    run(settings)
    found = below(settings)
    assert found[ONE] == "-> ../mine/pxelinux.cfg" and found["boot.ipxe"] == "#!ipxe\nshell\n"
    assert "pxelinux.cfg/01-52-54-00-00-00-09" in found and TWO not in found


def test_what_linky_made_before_its_state_was_lost_is_its_own_again(settings: Settings) -> None:
    write_list(settings.moc, [machine(1, CENTOS)])
    run(settings)
    (settings.state / "state.json").unlink()
    run(settings)
    write_list(settings.moc, [])
    run(settings)
    assert ONE not in below(settings)


def test_what_was_cut_off_is_done_by_the_next_run(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The state names what is about to be made, so a link is never forgotten."""
    write_list(settings.moc, [machine(1, CENTOS)])
    monkeypatch.setattr(links, "put", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        run(settings)
    monkeypatch.undo()
    (settings.tftp / "pxelinux.cfg").mkdir()
    (settings.tftp / ONE).symlink_to("../centos/pxelinux.cfg")  # as far as it came
    write_list(settings.moc, [])
    run(settings)
    assert ONE not in below(settings)


def test_a_list_that_is_wrong_changes_nothing(settings: Settings) -> None:
    write_list(settings.moc, [machine(1, CENTOS)])
    run(settings)
    before, known = below(settings), (settings.state / "state.json").read_text()
    write_list(settings.moc, [machine(2, {"name": "x", "profile": "../../etc"})])
    with pytest.raises(HeadError):
        run(settings)
    assert below(settings) == before and (settings.state / "state.json").read_text() == known


def test_a_damaged_state_is_told_and_not_overwritten(settings: Settings) -> None:
    write_list(settings.moc, [machine(1, CENTOS)])
    (settings.state / "state.json").write_text("{")
    with pytest.raises(HeadError, match="remove it; all machines are then power-cycled"):
        run(settings)
    assert (settings.state / "state.json").read_text() == "{"


def test_a_machine_that_was_installed_has_no_link_until_it_is_to_be_installed_again(
    settings: Settings,
) -> None:
    write_list(settings.moc, [machine(1, CENTOS), machine(2, CENTOS)])
    run(settings)
    bootdisk.boot_disk(settings, ["n1"], power=False)
    assert ONE not in below(settings) and TWO in below(settings)
    run(settings)
    assert ONE not in below(settings)
    write_list(settings.moc, [machine(1, DEBIAN), machine(2, CENTOS)])
    run(settings)
    assert ONE in below(settings), "another image is to be installed"
    bootdisk.boot_disk(settings, [mac(1).upper().replace(":", "-")], power=False)
    run(settings, everything=True)
    assert ONE in below(settings)
    with pytest.raises(HeadError, match="no machine n7"):
        bootdisk.boot_disk(settings, ["n7"], power=False)


def test_a_link_of_somebody_else_is_not_removed_by_boot_disk(settings: Settings) -> None:
    write_list(settings.moc, [machine(1, CENTOS)])
    (settings.tftp / "pxelinux.cfg").mkdir()
    (settings.tftp / ONE).symlink_to("../mine/pxelinux.cfg")
    run(settings)
    bootdisk.boot_disk(settings, ["n1"], power=False)
    assert below(settings)[ONE] == "-> ../mine/pxelinux.cfg"


def test_only_those_that_joined_are_due(settings: Settings) -> None:
    write_list(settings.moc, [machine(1), machine(2)])
    run(settings)
    with state.changing(settings.state) as known:
        known.machines[mac(1)].cycled = True
    write_list(settings.moc, [machine(1), machine(3)])
    run(settings)
    known = state.read(settings.state)
    assert {one: known.machines[one].cycled for one in known.machines} == {mac(1): True, mac(3): False}
    run(settings, everything=True)
    assert not state.read(settings.state).machines[mac(1)].cycled


def test_without_a_door_power_is_told_and_links_are_made(settings: Settings) -> None:
    write_list(settings.moc, [machine(1, CENTOS)])
    with pytest.raises(HeadError, match="no door to nm"):
        linky.run(settings)
    assert ONE in below(settings)


def _count(folder: Path, times: int) -> None:
    for _ in range(times):
        with state.changing(folder) as known:
            number = int(known.own[0]) if known.own else 0
            known.own = [str(number + 1)]


def test_nobody_loses_what_another_one_wrote(settings: Settings) -> None:
    fork = multiprocessing.get_context("fork")
    writers = [fork.Process(target=_count, args=(settings.state, 20)) for _ in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert state.read(settings.state).own == ["80"]
    assert json.loads((settings.state / "state.json").read_text())["version"] == 1


def _run_often(settings: Settings, times: int) -> None:
    own = replace(settings, moc=settings.moc / str(os.getpid()))
    for number in range(times):
        write_list(own.moc, [machine(number % 3, CENTOS), machine(3, DEBIAN)])
        linky.serve(own)


def test_many_at_once_do_not_disturb_each_other(settings: Settings) -> None:
    fork = multiprocessing.get_context("fork")
    runs = [fork.Process(target=_run_often, args=(settings, 20)) for _ in range(4)]
    for one in runs:
        one.start()
    for one in runs:
        one.join()
    assert [one.exitcode for one in runs] == [0] * 4
    write_list(settings.moc, [])
    run(settings)
    assert set(below(settings)) == {"boot.ipxe", "nm-boot", "pxelinux.cfg/default"}


def test_loaders_are_found_where_debian_has_them(settings: Settings) -> None:
    for place in ("PXELINUX/pxelinux.0", "ipxe/ipxe.efi"):
        (settings.loaders / place).parent.mkdir()
        (settings.loaders / place).write_text("x")
    write_list(settings.moc, [])
    run(settings)
    assert below(settings)["pxelinux.0"] == f"-> {settings.loaders}/PXELINUX/pxelinux.0"
    text = (settings.run / "dnsmasq.conf").read_text()
    assert "dhcp-boot=tag:!ipxe,tag:bios,pxelinux.0\n" in text and "tag:efi,ipxe.efi\n" in text


def test_settings(tmp_path: Path) -> None:
    file = tmp_path / "head.conf"
    assert load(file) == Settings()
    file.write_text("[head]\ninterface = eth1\ntftp = /var/lib/tftpboot\nat_once = 8\nprofile = centos\n")
    found = load(file)
    assert (found.interface, found.tftp, found.at_once) == ("eth1", Path("/var/lib/tftpboot"), 8)
    for wrong in ("port = 0", "at_once = x", "foo = 1", "moc =", "run = run", "[other]", "]"):
        file.write_text(f"[head]\n{wrong}\n")
        with pytest.raises(HeadError, match=r"head\.conf"):
            load(file)


def test_a_machine_that_left_and_came_back_unseen_counts_as_one_that_has_just_joined(
    settings: Settings,
) -> None:
    def cycled() -> list[str]:
        return [one for one, known in state.read(settings.state).machines.items() if known.cycled]

    def all_cycled() -> None:
        with state.changing(settings.state) as known:
            for one in known.machines.values():
                one.cycled = one.disk = True

    write_list(settings.moc, [machine(1, CENTOS, since="1.1"), machine(2, CENTOS, since="1.1")])
    run(settings)
    all_cycled()
    run(settings)
    assert cycled() == [mac(1), mac(2)] and ONE not in below(settings)
    write_list(settings.moc, [machine(1, CENTOS, since="1.3"), machine(2, CENTOS, since="1.1")])
    run(settings)
    assert cycled() == [mac(2)]
    assert ONE in below(settings) and TWO not in below(settings)


def test_an_update_of_either_side_lets_all_machines_count_as_known(settings: Settings) -> None:
    def known() -> dict[str, bool]:
        return {one: known.cycled for one, known in state.read(settings.state).machines.items()}

    old = {"image": "centos", "cycled": True, "disk": False}  # as the linky before this wrote it
    told = {"version": 1, "machines": {mac(1): old, mac(2): old}, "own": []}
    (settings.state / "state.json").write_text(json.dumps(told))
    write_list(settings.moc, [machine(1, CENTOS), machine(2, CENTOS, since="1.2")])  # 1 is of the nm before
    run(settings)
    assert known() == {mac(1): True, mac(2): True}
    run(settings)
    write_list(settings.moc, [machine(1, CENTOS, since="1.3"), machine(2, CENTOS, since="1.2")])
    run(settings)
    assert known() == {mac(1): False, mac(2): True}
