"""XML signatures: what is wrapped, what would fill memory or time, and what only looks signed."""

import re
from collections.abc import Callable
from dataclasses import replace
from functools import cache

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from lxml import etree
from signxml.algorithms import DigestAlgorithm, SignatureMethod
from signxml.signer import XMLSigner
from signxml.verifier import SignatureConfiguration, XMLVerifier

from nm import signatures, tickets
from nm.errors import Denied, Invalid, NMError
from nm.signatures import xmldsig
from tests.tickets.signers import NOW, certificate, payload, pem, rules, ticket, xml_signer

DS = "{http://www.w3.org/2000/09/xmldsig#}"


@cache
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


@cache
def trusting() -> tickets.Rules:
    """A site that trusts the key of this module."""
    return replace(rules(), keys=signatures.trusted([("key", certificate(key()).encode())]))


def sign(root: etree._Element, **how: str) -> str:
    """Signed by signxml with the trusted key, in a form of the caller's."""
    signer = XMLSigner(c14n_algorithm=xmldsig._CANONICAL)
    signed = signer.sign(root, key=key(), cert=certificate(key()), **how)  # type: ignore[arg-type]
    return etree.tostring(signed, encoding="unicode")


def envelope(text: bytes, root: str = "ticket", **attributes: str) -> etree._Element:
    made = etree.Element(root, attributes)
    made.append(etree.fromstring(text))
    return made


def refusal(text: str, given: tickets.Rules | None = None) -> NMError:
    with pytest.raises((Invalid, Denied)) as caught:
        tickets.verify(text, NOW, given or trusting())
    error: NMError = caught.value
    return error


def test_both_kinds_of_keys_sign() -> None:
    for private in (key(), ec.generate_private_key(ec.SECP384R1())):
        signer = xml_signer(private)
        found = tickets.verify(signer.sign(payload()), NOW, replace(rules(), keys=signer.trusted))
        assert found.sliver == "demo_web"


def test_a_certificate_that_has_ended_signs_nothing() -> None:
    signer = xml_signer(key(), NOW + 100)
    given = replace(rules(), keys=signer.trusted)
    tickets.verify(signer.sign(payload()), NOW + 99, given)
    with pytest.raises(Denied):
        tickets.verify(signer.sign(payload()), NOW + 101, given)


def test_every_altered_character_is_seen() -> None:
    text = ticket("xml")
    good = tickets.verify(text, NOW, rules())
    for at in range(0, len(text), 5):
        wrong = text[:at] + chr(ord(text[at]) ^ 1) + text[at + 1 :]
        try:
            found = tickets.verify(wrong, NOW, rules())
        except (Invalid, Denied):
            continue
        assert found == good  # KeyInfo is not signed and does not count


# ---- what stands beside the signed part


def test_a_signed_part_in_a_wrapping_is_no_ticket() -> None:
    """The good ticket carried along, with its signature, and an evil one in its place."""
    evil = payload(node="evil")
    good = etree.fromstring(ticket("xml"))
    signature = good[1]
    for build in (wrapped_beside, wrapped_in_object, wrapped_as_first):
        text = build(etree.fromstring(evil), etree.fromstring(ticket("xml")), signature)
        said = refusal(text, rules())
        assert "evil" not in said.message


def wrapped_beside(evil: etree._Element, good: etree._Element, signature: etree._Element) -> str:
    root = etree.Element("ticket")
    root.extend([evil, signature, good])
    return etree.tostring(root, encoding="unicode")


def wrapped_in_object(evil: etree._Element, good: etree._Element, signature: etree._Element) -> str:
    root = etree.Element("ticket")
    root.extend([evil, signature])
    etree.SubElement(signature, f"{DS}Object").append(good)
    return etree.tostring(root, encoding="unicode")


def wrapped_as_first(evil: etree._Element, good: etree._Element, signature: etree._Element) -> str:
    root = etree.Element("ticket")
    good.append(evil)
    root.append(good)
    return etree.tostring(root, encoding="unicode")


def signed_by_id() -> etree._Element:
    """A whole ticket whose signature is of an element by its Id: signxml itself finds it good."""
    text = sign(envelope(payload(), Id="a"), reference_uri="a")
    expected = SignatureConfiguration(location="./")
    assert XMLVerifier().verify(text, x509_cert=certificate(key()), expect_config=expected)
    return etree.fromstring(text)


def test_references_by_id_are_refused_wrapped_or_not() -> None:
    whole = signed_by_id()
    refusal(etree.tostring(whole, encoding="unicode"))
    signature = whole[1]
    root = envelope(payload(node="evil"))
    root.append(signature)
    etree.SubElement(signature, f"{DS}Object").append(whole)
    text = etree.tostring(root, encoding="unicode")
    expected = SignatureConfiguration(location="./")
    assert XMLVerifier().verify(
        text, x509_cert=certificate(key()), expect_config=expected, validate_schema=False
    )
    assert "whole document" in refusal(text).message


def test_an_answer_inside_the_signature_is_not_read() -> None:
    root = etree.fromstring(ticket("xml"))
    etree.SubElement(root[1], f"{DS}Object").append(etree.fromstring(payload(nonce="f" * 16)))
    text = etree.tostring(root, encoding="unicode")
    assert tickets.verify(text, NOW, rules()) == tickets.verify(ticket("xml"), NOW, rules())


@pytest.mark.parametrize("root", ["Envelope", "Ticket", "methodResponse", "{urn:x}ticket"])
def test_another_root(root: str) -> None:
    assert "root" in refusal(sign(envelope(payload(), root))).message


def test_another_content() -> None:
    good, evil = etree.fromstring(payload()), etree.fromstring(payload(node="evil"))
    for content in ([good, evil], [etree.Element("x"), good], [good, etree.Comment("x")], []):
        made = etree.Element("ticket")
        made.extend(content)
        refusal(sign(made))
    refusal(payload().decode())
    refusal("<ticket/>")
    refusal("<ticket>")


def test_two_signatures() -> None:
    root = etree.fromstring(ticket("xml"))
    root.append(etree.fromstring(ticket("xml"))[1])
    assert "one Signature" in refusal(etree.tostring(root, encoding="unicode"), rules()).message


# ---- keys that the document brings along


def test_a_key_in_the_document_is_not_believed() -> None:
    other = ec.generate_private_key(ec.SECP256R1())
    evil = xmldsig.sign(payload(node="1"), pem(other), certificate(other))
    refusal(evil, rules())
    trusted_info = re.search("<ds:KeyInfo>.*</ds:KeyInfo>", ticket("xml"), re.DOTALL)
    assert trusted_info is not None
    swapped = re.sub("<ds:KeyInfo>.*</ds:KeyInfo>", trusted_info[0], evil, flags=re.DOTALL)
    assert swapped != evil
    assert isinstance(refusal(swapped, rules()), Denied)


def test_a_shared_secret_is_no_signature() -> None:
    """The public certificate as the secret of an HMAC: who takes it, believes everybody."""
    signer = XMLSigner(signature_algorithm=SignatureMethod.HMAC_SHA256)
    signed = signer.sign(envelope(payload()), key=certificate(key()).encode())
    assert isinstance(refusal(etree.tostring(signed, encoding="unicode")), Denied)


class OldSigner(XMLSigner):
    """Signs with SHA-1 still."""

    def check_deprecated_methods(self) -> None:
        pass


@pytest.mark.parametrize(
    "how",
    [
        {"signature_algorithm": SignatureMethod.RSA_SHA1},
        {"digest_algorithm": DigestAlgorithm.SHA1},
        {"digest_algorithm": DigestAlgorithm.SHA224},
    ],
    ids=["signature", "digest", "sha224"],
)
def test_weak_methods(how: dict[str, str]) -> None:
    signed = OldSigner(**how).sign(envelope(payload()), key=key(), cert=certificate(key()))  # type: ignore[arg-type]
    assert isinstance(refusal(etree.tostring(signed, encoding="unicode")), Denied)


def test_weak_keys_are_not_trusted() -> None:
    weak = certificate(rsa.generate_private_key(65537, 1024))
    with pytest.raises(Invalid, match="keys/a is too weak"):
        signatures.trusted([("keys/a", weak.encode())])
    with pytest.raises(Invalid, match="keys/b"):
        signatures.trusted([("keys/b", b"-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n")])


# ---- what would fill memory or time


@pytest.mark.parametrize(
    "doctype",
    [
        '<!DOCTYPE ticket [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>',
        '<!DOCTYPE ticket SYSTEM "http://127.0.0.1:9/">',
        '<!DOCTYPE ticket [<!ENTITY a SYSTEM "file:///etc/passwd">]>',
    ],
)
def test_document_types(doctype: str) -> None:
    text = ticket("xml")
    assert "entities" in refusal(doctype + text, rules()).message
    assert "entities" in refusal("<?xml version='1.0'?>" + doctype + text, rules()).message


def test_a_document_type_in_another_encoding_is_not_read() -> None:
    prolog = "<?xml version='1.0' encoding='utf-7'?>+ADwAIQ-DOCTYPE ticket [+ADwAIQ-ENTITY a 'b'>]>"
    text = ticket("xml", slivers=[{"name": "demo_web"}]).replace("+", "+-")
    assert "malformed XML" in refusal(prolog + text, rules()).message


@pytest.mark.parametrize(
    "swell",
    [
        lambda text, many: text.replace("<methodResponse>", f"<methodResponse {many}>"),
        lambda text, many: text.replace("<ticket>", f"<ticket {many}>"),
        lambda text, many: text.replace("<ds:SignedInfo>", f"<ds:SignedInfo {many}>"),
        lambda text, many: text.replace("<ds:Reference ", f"<ds:Reference {many} "),
    ],
    ids=["text", "root", "signature", "reference"],
)
@pytest.mark.parametrize("name", ["a", "xmlns:a"])
def test_many_attributes_are_not_sorted(
    swell: Callable[[str, str], str], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What takes the square of their number is not even begun."""
    looked: list[str] = []
    monkeypatch.setattr(XMLVerifier, "verify", lambda *_, **__: looked.append("looked"))
    text = swell(ticket("xml"), " ".join(f'{name}{count}="u"' for count in range(3000)))
    assert isinstance(refusal(text, rules()), Invalid)
    assert not looked


def test_depth() -> None:
    text = ticket("xml")
    deep = text.replace("<methodResponse>", "<methodResponse>" + "<a>" * 100_000)
    assert isinstance(refusal(deep, rules()), Invalid)


@pytest.mark.parametrize("extra", ["<!-- x -->", "<?x y?>", '<a xmlns="urn:x"/>', "<a b='c'/>"])
def test_what_no_signer_of_ours_writes(extra: str) -> None:
    text = ticket("xml").replace("<methodResponse>", f"<methodResponse>{extra}")
    assert isinstance(refusal(text, rules()), Invalid)
