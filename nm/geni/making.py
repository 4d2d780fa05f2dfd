"""Certificates and credentials, made: for a clearing house of one's own, and for tests. Pure.

Keys, serial numbers and times are arguments. Every certificate has what Python's own checks want, too: key
identifiers, and the key usage of issuers.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_address

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import Certificate
from lxml import etree

from nm.geni import documents, times, xmlsignature
from nm.geni.certificates import urn_of
from nm.geni.documents import XML_ID, Element
from nm.geni.privileges import Privileges
from nm.geni.urns import Urn

_XSI = "http://www.w3.org/2001/XMLSchema-instance"
_SCHEMA = "http://www.geni.net/resources/credential/2/credential.xsd"
_NAME = 64  # characters of a common name


@dataclass(frozen=True)
class Holder:
    """Somebody with a key, and the chain that says who it is, the leaf first. Its repr shows no key."""

    chain: tuple[Certificate, ...]
    key: RSAPrivateKey

    @property
    def urn(self) -> Urn:
        """Who it is."""
        return urn_of(self.chain[0])


@dataclass(frozen=True)
class Subject:
    """For whom a certificate is made."""

    urn: Urn
    key: RSAPublicKey
    serial: int  # unique for the issuer
    begins: float
    ends: float
    issues: bool = False  # whether it may issue certificates: for authorities only
    email: str = ""
    uuid: str = ""  # 36 characters
    hosts: tuple[str, ...] = ()  # names and addresses under which a server is called


# ---- certificates


def root(subject: Subject, key: RSAPrivateKey) -> Holder:
    """An authority that vouches for itself."""
    return Holder((_certificate(subject, _distinguished(subject.urn), key, key.public_key()),), key)


def certificate(subject: Subject, issuer: Holder) -> tuple[Certificate, ...]:
    """The chain of a subject for whom that issuer vouches, without the root."""
    above = issuer.chain[0]
    made = _certificate(subject, above.subject, issuer.key, issuer.key.public_key())
    return (made, *(one for one in issuer.chain if one.subject != one.issuer))


def _certificate(subject: Subject, issuer: x509.Name, key: RSAPrivateKey, above: RSAPublicKey) -> Certificate:
    builder = (
        x509.CertificateBuilder()
        .subject_name(_distinguished(subject.urn))
        .issuer_name(issuer)
        .public_key(subject.key)
        .serial_number(subject.serial)
        .not_valid_before(datetime.fromtimestamp(subject.begins, UTC))
        .not_valid_after(datetime.fromtimestamp(subject.ends, UTC))
        .add_extension(x509.BasicConstraints(ca=subject.issues, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName(_alternatives(subject)), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(subject.key), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(above), critical=False)
    )
    if subject.issues:
        builder = builder.add_extension(_ISSUES, critical=True)
    return builder.sign(key, hashes.SHA256())


_ISSUES = x509.KeyUsage(
    digital_signature=True,
    key_cert_sign=True,
    crl_sign=True,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    encipher_only=False,
    decipher_only=False,
)


def _distinguished(urn: Urn) -> x509.Name:
    text = f"{urn.authority.replace(':', '.')}.{urn.type}.{urn.name}"[:_NAME]
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])


def _alternatives(subject: Subject) -> list[x509.GeneralName]:
    names: list[x509.GeneralName] = [x509.UniformResourceIdentifier(str(subject.urn))]
    if subject.uuid:
        names.append(x509.UniformResourceIdentifier(f"urn:uuid:{subject.uuid}"))
    if subject.email:
        names.append(x509.RFC822Name(subject.email))
    return [*names, *map(_host, subject.hosts)]


def _host(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def revocation(
    issuer: Holder, serials: Sequence[int], now: float, until: float
) -> x509.CertificateRevocationList:
    """The issuer's list of the certificates that count no more."""
    moment = datetime.fromtimestamp(now, UTC)
    builder = x509.CertificateRevocationListBuilder().issuer_name(issuer.chain[0].subject)
    builder = builder.last_update(moment).next_update(datetime.fromtimestamp(until, UTC))
    for serial in serials:
        one = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(moment)
        builder = builder.add_revoked_certificate(one.build())
    return builder.sign(issuer.key, hashes.SHA256())


def pem(chain: Sequence[Certificate]) -> str:
    """The certificates as text, in their order."""
    return "".join(one.public_bytes(Encoding.PEM).decode() for one in chain)


# ---- credentials


def credential(
    owner: Sequence[Certificate],
    target: Sequence[Certificate],
    privileges: Privileges,
    expires: float,
    signer: Holder,
    sha1: bool = False,
) -> str:
    """What says that the owner may do that with the target until then, signed by the signer."""
    document = etree.Element("signed-credential", nsmap={"xsi": _XSI})
    document.set(f"{{{_XSI}}}noNamespaceSchemaLocation", _SCHEMA)
    document.append(_said("ref0", owner, target, privileges, expires))
    etree.SubElement(document, "signatures")
    return _signed(document, "ref0", signer, sha1)


def passed_on(
    text: str,
    owner: Sequence[Certificate],
    privileges: Privileges,
    expires: float,
    signer: Holder,
    sha1: bool = False,
) -> str:
    """A credential made from another one by its owner, the signer, for somebody else."""
    document = documents.parse(text)
    parent = document[0]
    used = xmlsignature.elements_by_id(document)
    name = next(name for number in range(len(used) + 1) if (name := f"ref{number}") not in used)
    target = x509.load_pem_x509_certificates((parent.findtext("target_gid") or "").encode())
    made = _said(name, owner, target, privileges, expires)
    document.replace(parent, made)
    etree.SubElement(made, "parent").append(parent)
    return _signed(document, name, signer, sha1)


def _said(
    name: str,
    owner: Sequence[Certificate],
    target: Sequence[Certificate],
    privileges: Privileges,
    expires: float,
) -> Element:
    made = etree.Element("credential", {XML_ID: name})
    texts = {
        "type": "privilege",
        "serial": "0",
        "owner_gid": pem(owner),
        "owner_urn": str(urn_of(owner[0])),
        "target_gid": pem(target),
        "target_urn": str(urn_of(target[0])),
        "uuid": "",
        "expires": times.render(expires),
    }
    for tag, text in texts.items():
        etree.SubElement(made, tag).text = text
    listed = etree.SubElement(made, "privileges")
    for privilege, may_pass_on in privileges.items():
        one = etree.SubElement(listed, "privilege")
        etree.SubElement(one, "name").text = privilege
        etree.SubElement(one, "can_delegate").text = str(may_pass_on).lower()
    return made


def _signed(document: Element, name: str, signer: Holder, sha1: bool) -> str:
    """The document with one more signature, of the element with that xml:id."""
    shown = [_bare(one) for one in signer.chain]
    document[-1].append(xmlsignature.blank(f"Sig_{name}", name, shown, sha1))
    again = documents.parse(etree.tostring(document, encoding="unicode"))  # only a parser knows an xml:id
    xmlsignature.sign(again[-1][-1], signer.key)
    return etree.tostring(again, encoding="unicode")


def _bare(one: Certificate) -> str:
    lines = one.public_bytes(Encoding.PEM).decode().splitlines()
    return "\n".join(lines[1:-1])
