"""Chains that are odd: who is trusted by them, and what a certificate must say."""

import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import Certificate

from nm.errors import Denied, Invalid
from nm.geni import certificates, making, urns
from nm.geni.certificates import Trust
from nm.geni.making import Holder
from tests.geni.world import (
    ALICE,
    BOB,
    DAY,
    IDN,
    LAB,
    NOW,
    ONE,
    OTHER,
    PROJECTS,
    TRUST,
    holder,
    key,
    pem_of,
    root,
    subject,
)

ALICES = f"{IDN}lab+user+alice"


def names(*texts: str) -> x509.SubjectAlternativeName:
    return x509.SubjectAlternativeName(list(map(x509.UniformResourceIdentifier, texts)))


def certificate(*extensions: tuple[x509.ExtensionType, bool], public: Any = None) -> Certificate:
    """Alice's, by the lab's root, with just these extensions."""
    builder = (
        x509.CertificateBuilder()
        .subject_name(ALICE.chain[0].subject)
        .issuer_name(LAB.chain[0].subject)
        .public_key(public or ALICE.key.public_key())
        .serial_number(7)
        .not_valid_before(ALICE.chain[0].not_valid_before_utc)
        .not_valid_after(ALICE.chain[0].not_valid_after_utc)
    )
    for one, critical in extensions:
        builder = builder.add_extension(one, critical=critical)
    return builder.sign(LAB.key, hashes.SHA256())


def judged(*chain: Certificate, trust: Trust = TRUST, now: float = NOW) -> certificates.Gid:
    return certificates.chained(chain, now, trust)


def test_a_urn_and_nothing_else_is_enough() -> None:
    made = certificate((names(ALICES), False))
    assert judged(made).urn == ALICE.urn
    assert (judged(made).email, judged(made).uuid) == ("", "")


def test_names_may_stand_in_any_order() -> None:
    alternatives = x509.SubjectAlternativeName(
        [
            x509.RFC822Name("alice@example.org"),
            x509.UniformResourceIdentifier("urn:uuid:1"),
            x509.UniformResourceIdentifier("https://example.org/"),
            x509.UniformResourceIdentifier(ALICES),
        ]
    )
    found = judged(certificate((alternatives, True)))
    assert (found.urn, found.email, found.uuid) == (ALICE.urn, "alice@example.org", "urn:uuid:1")


@pytest.mark.parametrize(
    ("extensions", "reason"),
    [
        ((), "0 URNs"),
        (((names("urn:uuid:1"), False),), "0 URNs"),
        (((names(ALICES, f"{IDN}lab+user+mallory"), False),), "2 URNs"),
        (((names("urn:publicid:IDN+lab"), False),), "no URN"),
        (((names(ALICES), False), (x509.InhibitAnyPolicy(0), True)), "critical"),
        (((names(ALICES), False), (x509.NameConstraints(None, [x509.DNSName("x")]), True)), "critical"),
    ],
    ids=["no names", "only a uuid", "two", "no URN", "critical", "constraints"],
)
def test_what_a_certificate_must_say(
    extensions: tuple[tuple[x509.ExtensionType, bool], ...], reason: str
) -> None:
    with pytest.raises(Denied, match=reason):
        judged(certificate(*extensions))


def test_keys_of_other_kinds() -> None:
    curve = ec.generate_private_key(ec.SECP256R1()).public_key()
    assert judged(certificate((names(ALICES), False), public=curve)).urn == ALICE.urn
    with pytest.raises(Denied, match="too weak, or of another kind"):
        judged(certificate((names(ALICES), False), public=dsa.generate_private_key(1024).public_key()))


def test_a_key_that_keeps_us_busy_is_refused() -> None:
    numbers = ALICE.key.public_key().public_numbers()
    dear = rsa.RSAPublicNumbers((1 << 2000) + 1, numbers.n).public_key()
    with pytest.raises(Denied, match="too weak, or of another kind"):
        judged(certificate((names(ALICES), False), public=dear))


def test_short_keys_count_where_the_site_says_so() -> None:
    demanding = replace(TRUST, shortest_rsa=3072)
    assert judged(*ALICE.chain).urn == ALICE.urn
    with pytest.raises(Denied, match="too weak"):
        judged(*ALICE.chain, trust=demanding)
    with pytest.raises(Denied, match="too weak"):
        judged(*LAB.chain, trust=demanding)


def test_the_chain_may_hold_more_and_in_any_order_after_the_leaf() -> None:
    assert ONE.chain[1:] == PROJECTS.chain
    assert judged(ONE.chain[0], *BOB.chain, *LAB.chain, *PROJECTS.chain).urn == ONE.urn
    with pytest.raises(Denied, match="nobody whom this site trusts"):
        judged(ONE.chain[0])


def test_an_authority_between_may_be_the_root() -> None:
    assert judged(ONE.chain[0], trust=Trust(PROJECTS.chain)).urn == ONE.urn
    with pytest.raises(Denied, match="nobody whom this site trusts"):
        judged(*ALICE.chain, trust=Trust(PROJECTS.chain))


def test_of_two_roots_with_the_same_key_the_one_that_is_current_counts() -> None:
    old = making.root(subject("lab+authority+ca", issues=True, ends=NOW - 1), LAB.key)
    assert judged(*ALICE.chain, trust=Trust((*old.chain, *LAB.chain))).urn == ALICE.urn
    with pytest.raises(Denied, match="has ended"):
        judged(*ALICE.chain, trust=Trust(old.chain))


def test_a_root_may_limit_how_long_chains_are() -> None:
    limited = _rebuilt(x509.BasicConstraints(ca=True, path_length=0))
    assert judged(*ALICE.chain, trust=Trust((limited,))).urn == ALICE.urn
    with pytest.raises(Denied, match="no chain of that length"):
        judged(*ONE.chain, trust=Trust((limited,)))


@pytest.mark.parametrize(
    "basic", [x509.BasicConstraints(ca=False, path_length=None), None], ids=["said", "not said"]
)
def test_a_root_must_be_one_that_may_issue(basic: x509.BasicConstraints | None) -> None:
    with pytest.raises(Denied, match="CA:TRUE"):
        judged(*ALICE.chain, trust=Trust((_rebuilt(basic),)))


def test_a_root_whose_key_is_for_something_else() -> None:
    usage = x509.KeyUsage(True, False, False, False, False, False, False, False, False)
    made = _rebuilt(x509.BasicConstraints(ca=True, path_length=None), usage)
    with pytest.raises(Denied, match="CA:TRUE"):
        judged(*ALICE.chain, trust=Trust((made,)))


def _rebuilt(*extensions: x509.ExtensionType | None) -> Certificate:
    """The lab's root with other extensions beside its name."""
    old = LAB.chain[0]
    builder = x509.CertificateBuilder(
        old.issuer, old.subject, old.public_key(), 9, old.not_valid_before_utc, old.not_valid_after_utc
    ).add_extension(names(str(LAB.urn)), critical=False)
    for one in extensions:
        builder = builder if one is None else builder.add_extension(one, critical=True)
    return builder.sign(LAB.key, hashes.SHA256())


def test_sha1_counts_only_where_the_site_says_so(tmp_path: Path) -> None:
    made = _by_openssl(tmp_path, "sha1")
    assert judged(made, trust=replace(TRUST, sha1=True)).urn == ALICE.urn
    with pytest.raises(Denied, match="signed over sha1"):
        judged(made)
    assert judged(_by_openssl(tmp_path, "sha384")).urn == ALICE.urn


def test_md5_never_counts(tmp_path: Path) -> None:
    with pytest.raises(Denied, match="nobody whom this site trusts"):
        judged(_by_openssl(tmp_path, "md5"), trust=replace(TRUST, sha1=True))


def _by_openssl(folder: Path, digest: str) -> Certificate:
    """Alice's, with a digest that cryptography does not sign over any more."""
    _keys(folder)
    (folder / "own.key").write_text(pem_of(ALICE.key))
    (folder / "more").write_text(f"subjectAltName=URI:{ALICES}\n")
    request = ["openssl", "req", "-new", "-key", "own.key", "-subj", "/CN=alice", "-out", "own.csr"]
    sign = ["openssl", "x509", "-req", "-in", "own.csr", "-CA", "ca.pem", "-CAkey", "ca.key", f"-{digest}"]
    sign += ["-set_serial", "8", "-extfile", "more", "-out", "own.pem", "-days", "3650"]
    for command in (request, sign):
        subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=60)
    return x509.load_pem_x509_certificate((folder / "own.pem").read_bytes())


def _keys(folder: Path) -> None:
    (folder / "ca.pem").write_text(making.pem(LAB.chain))
    (folder / "ca.key").write_text(pem_of(LAB.key))


# ---- lists of revoked certificates


def test_a_list_counts_only_when_the_issuer_signed_it() -> None:
    serial = ALICE.chain[0].serial_number
    forged = making.revocation(Holder(LAB.chain, OTHER.key), [serial], NOW - DAY, NOW + DAY)
    foreign = making.revocation(OTHER, [serial], NOW - DAY, NOW + DAY)
    assert judged(*ALICE.chain, trust=replace(TRUST, revoked=(forged, foreign))).urn == ALICE.urn


def test_what_is_revoked_stays_so_after_the_list_should_have_been_renewed() -> None:
    listed = making.revocation(LAB, [ALICE.chain[0].serial_number, 1], NOW - 2 * DAY, NOW - DAY)
    with pytest.raises(Denied, match="revoked"):
        judged(*ALICE.chain, trust=replace(TRUST, revoked=(listed,)))
    assert judged(*PROJECTS.chain, trust=replace(TRUST, revoked=(listed,))).urn == PROJECTS.urn


def test_a_list_over_sha1_counts_always(tmp_path: Path) -> None:
    _keys(tmp_path)
    serial = f"{ALICE.chain[0].serial_number:X}"
    dates = "400101000000Z\t260101000000Z"
    (tmp_path / "index.txt").write_text(
        f"R\t{dates}\t{serial.zfill(len(serial) + len(serial) % 2)}\tx\t/CN=x\n"
    )
    (tmp_path / "conf").write_text("[ca]\ndefault_ca=d\n[d]\ndatabase=index.txt\n")
    make = ["openssl", "ca", "-config", "conf", "-gencrl", "-md", "sha1", "-crldays", "30", "-out", "crl.pem"]
    make += ["-cert", "ca.pem", "-keyfile", "ca.key"]
    subprocess.run(make, cwd=tmp_path, check=True, capture_output=True, timeout=60)
    listed = certificates.revocations([("crl.pem", (tmp_path / "crl.pem").read_bytes())])
    assert listed[0].signature_hash_algorithm is not None
    assert listed[0].signature_hash_algorithm.name == "sha1"
    with pytest.raises(Denied, match="revoked"):
        judged(*ALICE.chain, trust=replace(TRUST, revoked=listed))


@pytest.mark.parametrize("encoding", [Encoding.PEM, Encoding.DER])
def test_lists_are_read_from_files(encoding: Encoding) -> None:
    listed = making.revocation(LAB, [5], NOW, NOW + DAY)
    (found,) = certificates.revocations([("list", listed.public_bytes(encoding))])
    assert found == listed


@pytest.mark.parametrize("content", [b"", b"noise", b"-----BEGIN X509 CRL-----\nnoise"])
def test_what_is_no_list_is_refused(content: bytes) -> None:
    with pytest.raises(Invalid, match="the-file holds no list"):
        certificates.revocations([("the-file", content)])


# ---- roots


def test_roots_are_read_from_files() -> None:
    both = making.pem([*LAB.chain, *OTHER.chain]).encode()
    assert certificates.roots([("a", both)]) == (*LAB.chain, *OTHER.chain)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"noise", "no certificate"),
        (making.pem(ALICE.chain).encode(), "no authority"),
        (making.pem(holder(LAB, "lab+authority+am").chain).encode(), "CA:TRUE"),
        (making.pem([certificate()]).encode(), "0 URNs"),
    ],
    ids=["noise", "user", "no issuer", "no name"],
)
def test_what_is_no_root_is_refused(content: bytes, reason: str) -> None:
    with pytest.raises(Invalid, match=rf"the-file holds no .*{reason}|{reason}"):
        certificates.roots([("the-file", content)])


def test_a_long_line_of_authorities_is_refused() -> None:
    last = root("deep+authority+ca")
    trust = Trust(last.chain)
    for number in range(9):
        last = holder(last, f"deep+authority+a{number}", "deep", issues=True)
    with pytest.raises(Denied, match="more than 8"):
        judged(*last.chain, trust=trust)


def test_ours_says_what_strict_checks_want() -> None:
    kinds = {type(one.value) for one in LAB.chain[0].extensions}
    assert {x509.SubjectKeyIdentifier, x509.AuthorityKeyIdentifier, x509.KeyUsage} <= kinds
    assert urns.parse(ALICES) == ALICE.urn
    assert key("lab+user+alice") is ALICE.key
