"""The tool that signs: what it prints is a good ticket, and its keys stay secret."""

import json
import time
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from pysequoia import Tsk

from nm import signatures, ticketmaker, tickets
from tests.tickets.signers import NODE, NOW, SLIVER, certificate, pem, rules


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Keys and a sliver, as somebody who signs has them."""
    tmp_path.chmod(0o700)
    key, openpgp = ec.generate_private_key(ec.SECP256R1()), Tsk.generate("Central")
    for name, content in {
        "key.pem": pem(key),
        "cert.pem": certificate(key),
        "key.asc": str(openpgp),
        "public.asc": str(openpgp.extract_certificate()),
        "sliver.json": json.dumps(SLIVER),
    }.items():
        (tmp_path / name).write_text(content, encoding="utf-8")
        (tmp_path / name).chmod(0o600)
    return tmp_path


def trusting(folder: Path) -> tickets.Rules:
    files = [(name, (folder / name).read_bytes()) for name in ("public.asc", "cert.pem")]
    return replace(rules(), keys=signatures.trusted(files))


def run(folder: Path, *arguments: str, sliver: str = "sliver.json", node: str = NODE) -> int:
    given = [str(folder / one) if one.endswith((".asc", ".pem", ".txt")) else one for one in arguments]
    return ticketmaker.main([str(folder / sliver), "--node", node, *given])


WAYS = pytest.mark.parametrize(
    "key", [("--key", "key.asc"), ("--key", "key.pem", "--certificate", "cert.pem")], ids=["openpgp", "xml"]
)


@WAYS
def test_what_it_prints_is_a_ticket(
    folder: Path, key: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    nonces = set()
    for life, seconds in (("30m", 1800), ("2d", 172800)):
        assert run(folder, *key, "--life", life) == 0
        found = tickets.verify(capsys.readouterr().out, time.time(), trusting(folder))
        assert found.reply["slivers"] == [SLIVER]
        assert found.expires - found.timestamp == seconds
        nonces.add(found.nonce)
    assert len(nonces) == 2


def test_a_whole_answer_keeps_what_goes_with_the_sliver(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = {
        "timestamp": NOW - 50,
        "initscripts": [{"name": "hello", "script": "true"}],
        "slivers": [SLIVER],
    }
    (folder / "answer.json").write_text(json.dumps(answer), encoding="utf-8")
    assert run(folder, "--key", "key.asc", sliver="answer.json") == 0
    found = tickets.verify(capsys.readouterr().out, time.time(), trusting(folder))
    assert found.timestamp == NOW - 50 and found.reply["initscripts"] == answer["initscripts"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "not JSON"),
        ("[]", "no object"),
        ('{"slivers": []}', "must have one"),
        ('{"slivers": [{"name": "a_b"}, {"name": "a_c"}]}', "must have one"),
        ('{"slice_id": 1}', "no name"),
        ('{"name": "a_b", "x": NaN}', "something else"),
        ('{"name": "a_b", "x": 123456789012345678901234567890}', "too large"),
        ('{"timestamp": "soon", "slivers": [{"name": "a_b"}]}', "whole seconds"),
    ],
)
def test_what_is_no_sliver(folder: Path, content: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "bad.json").write_text(content, encoding="utf-8")
    assert run(folder, "--key", "key.asc", sliver="bad.json") == 1
    printed = capsys.readouterr()
    assert printed.out == "" and said in printed.err


@WAYS
def test_a_key_that_others_may_read_signs_nothing(
    folder: Path, key: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / key[1]).chmod(0o644)
    assert run(folder, *key) == 1
    assert "0600" in capsys.readouterr().err


def test_keys_that_are_none(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And no word of a key that is one, but in the wrong place."""
    for given in (
        ("--key", "key.pem"),
        ("--key", "key.asc", "--certificate", "cert.pem"),
        ("--key", "public.asc"),
        ("--key", "key.pem", "--certificate", "public.asc"),
        ("--key", "none.asc"),
        ("--key", "key.pem", "--certificate", "none.pem"),
    ):
        assert run(folder, *given) == 1
        printed = capsys.readouterr()
        assert printed.out == ""
        for name in ("key.pem", "key.asc"):
            secret = (folder / name).read_text(encoding="utf-8").splitlines()[4]
            assert secret not in printed.err


def test_a_pem_key_without_its_certificate_is_told_as_one(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(folder, "--key", "key.pem") == 1
    assert "--certificate" in capsys.readouterr().err


def test_none_is_signed_that_every_site_would_refuse(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(folder, "--key", "key.asc", "--life", "30d") == 0
    tickets.verify(capsys.readouterr().out, time.time(), trusting(folder))
    with pytest.raises(SystemExit):
        run(folder, "--key", "key.asc", "--life", "31d")
    printed = capsys.readouterr()
    assert printed.out == "" and "30d" in printed.err


def test_a_key_with_a_passphrase(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fixtures = Path(__file__).parent / "fixtures"
    for name, content in {
        "locked.asc": (fixtures / "locked.asc").read_text(encoding="ascii"),
        "right.txt": "open sesame\n",
        "wrong.txt": "open barley\n",
    }.items():
        (folder / name).write_text(content, encoding="ascii")
        (folder / name).chmod(0o600)
    assert run(folder, "--key", "locked.asc") == 1
    assert run(folder, "--key", "locked.asc", "--passphrase", "wrong.txt") == 1
    printed = capsys.readouterr()
    assert printed.out == "" and "barley" not in printed.err
    assert run(folder, "--key", "locked.asc", "--passphrase", "right.txt") == 0
    public = [("locked", (fixtures / "locked_public.asc").read_bytes())]
    given = replace(rules(), keys=signatures.trusted(public))
    assert tickets.verify(capsys.readouterr().out, time.time(), given).sliver == "demo_web"


def test_a_life_that_is_none(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for life in ("0h", "-1h", "1w", "h", "1.5h"):
        with pytest.raises(SystemExit):
            run(folder, "--key", "key.asc", f"--life={life}")
        assert "write 30m" in capsys.readouterr().err
