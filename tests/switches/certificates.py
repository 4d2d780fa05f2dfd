"""Certificates for tests: an authority, and what it vouches for."""

import ipaddress
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

DAY = timedelta(days=1)


class Authority:
    """A certificate authority of its own."""

    def __init__(self, name: str = "authority") -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name(name)
        own = _unsigned(self._name, self._name, self._key.public_key(), DAY)
        own = own.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        self.text = _pem(own.sign(self._key, hashes.SHA256()))

    def issue(self, name: str, *addresses: str, lasts: timedelta = DAY) -> tuple[str, str]:
        """A certificate for that name and those addresses, and its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        unsigned = _unsigned(_name(name), self._name, key.public_key(), lasts)
        if addresses:
            names = [x509.IPAddress(ipaddress.ip_address(address)) for address in addresses]
            unsigned = unsigned.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return _pem(unsigned.sign(self._key, hashes.SHA256())), private(key)

    def secrets(self, name: str = "nm") -> dict[str, str]:
        """What a client of that name needs to know."""
        certificate, key = self.issue(name)
        return {"ca": self.text, "certificate": certificate, "key": key}


def private(key: ec.EllipticCurvePrivateKey, passphrase: bytes = b"") -> str:
    """The key's text."""
    locked: serialization.KeySerializationEncryption = (
        serialization.BestAvailableEncryption(passphrase) if passphrase else serialization.NoEncryption()
    )
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, locked).decode()


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _unsigned(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, lasts: timedelta
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - 2 * DAY)
        .not_valid_after(now + lasts)
    )


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()
