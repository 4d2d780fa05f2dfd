"""Documents that must be refused: signatures moved and bent, credentials of another shape, and bombs."""

import base64
import re
from collections.abc import Mapping
from functools import cache, partial

from nm.errors import Invalid
from nm.geni import making
from nm.geni.making import Holder, pem
from tests.geni.forgeries import line
from tests.geni.forgery import Forgery
from tests.geni.world import (
    ALICE,
    HOUR,
    IDN,
    MALLORY,
    NOW,
    SIGNER,
    Call,
    call,
    edited,
    element,
    issued,
    replaced,
)

TWICE = "twice|already defined"  # libxml2 may be first to find an xml:id that is there already


# ---- signatures that hold, of something else than what is read


def _inside(text: str) -> str:
    """The <credential> element."""
    return element(text, "credential")


def _signature(text: str) -> str:
    return element(text, "ds:Signature")


def _evil(name: str = "ref9", more: str = "") -> str:
    """Alice's rights, said by Alice herself."""
    made = _inside(issued(privileges={"embed": True}))
    return made.replace('xml:id="ref0"', name and f'xml:id="{name}"').replace(
        "</credential>", f"{more}</credential>"
    )


@cache
def good() -> str:
    """What was really signed; it allows little."""
    return issued(privileges={"info": True})


def wrapped(credentials: str, signatures: str = "", more: str = "") -> Call:
    inside = f"{credentials}<signatures>{signatures or _signature(good())}</signatures>{more}"
    return call(f"<signed-credential>{inside}</signed-credential>")


def _own(reference: str) -> str:
    """A signature by Alice."""
    made = _signature(issued(signer=ALICE))
    return made.replace("ref0", reference)


WRAPPED: Mapping[str, Forgery] = {
    "moved into the extensions": Forgery(
        lambda: wrapped(_evil(more=f"<extensions>{_inside(good())}</extensions>")), "one signature for each"
    ),
    "moved into the extensions, with the same id": Forgery(
        lambda: wrapped(_evil("ref0", f"<extensions>{_inside(good())}</extensions>")), TWICE
    ),
    "moved into the extensions, the other without id": Forgery(
        lambda: wrapped(_evil("", f"<extensions>{_inside(good())}</extensions>")), "one signature for each"
    ),
    "moved behind the signatures": Forgery(
        lambda: wrapped(_evil(), more=_inside(good())), "holds <credential>"
    ),
    "moved behind the signatures in a cover": Forgery(
        lambda: wrapped(_evil(), more=f"<cover>{_inside(good())}</cover>"), "holds <cover>"
    ),
    "moved into the signature": Forgery(
        lambda: wrapped(
            _evil("ref0"),
            _signature(good()).replace(
                "</ds:Signature>", f"<ds:Object>{_inside(good())}</ds:Object></ds:Signature>"
            ),
        ),
        f"holds <.*Object>|{TWICE}",
    ),
    "moved into KeyInfo": Forgery(
        lambda: wrapped(
            _evil("ref0"),
            _signature(good()).replace("</ds:KeyInfo>", f"{_inside(good())}</ds:KeyInfo>"),
        ),
        TWICE,
    ),
    "doubled": Forgery(lambda: wrapped(_evil() + _inside(good())), "holds <credential>, or twice"),
    "doubled, with the same id": Forgery(lambda: wrapped(_evil("ref0") + _inside(good())), TWICE),
    "nested as a parent": Forgery(
        lambda: wrapped(_evil(more=f"<parent>{_inside(good())}</parent>")), "one signature for each"
    ),
    "nested as a parent, and signed by its owner": Forgery(lambda: call(_nested()), "with embed, which"),
    "two credentials as parents": Forgery(
        lambda: wrapped(_evil(more=f"<parent>{_inside(good())}{_evil('ref8')}</parent>")),
        "holds <credential>, or twice",
    ),
    "two parents": Forgery(
        lambda: wrapped(
            _evil(more=f"<parent>{_inside(good())}</parent><parent>{_evil('ref8')}</parent>"),
            _signature(good()) + _own("ref9"),
        ),
        "holds <parent>, or twice",
    ),
    "an id with a space before": Forgery(lambda: wrapped(_evil(" ref0")), "no plain word"),
    "an id of another kind": Forgery(
        lambda: wrapped(_evil("").replace("<credential ", "<credential Id='ref0' ")), "one signature for each"
    ),
    "an id too many": Forgery(
        lambda: wrapped(_evil("ref0").replace("<credential ", "<credential Id='ref9' ")), "other attributes"
    ),
    "the signature of another credential": Forgery(lambda: wrapped(_evil("ref0")), "does not hold"),
    "one signature too many": Forgery(
        lambda: wrapped(_inside(good()), _signature(good()) + _own("ref7").replace("Sig_ref0", "Sig_ref7")),
        "one signature for each",
    ),
    "two signatures of the same": Forgery(
        lambda: wrapped(_inside(good()), _signature(good()) + _own("ref0").replace("Sig_ref0", "Sig_ref7")),
        "two signatures",
    ),
    "a comment in a name": Forgery(
        lambda: wrapped(_inside(good()).replace("slice+one<", "slice+one<!-- -->two<")), "comments"
    ),
    "an instruction in a name": Forgery(
        lambda: wrapped(_inside(good()).replace("slice+one<", "slice+one<?x?>two<")), "instructions"
    ),
    "an element in a name": Forgery(
        lambda: wrapped(_inside(good()).replace("slice+one<", "slice+one<b/>two<")), "should hold text"
    ),
    "another namespace": Forgery(
        lambda: call(issued().replace("<signed-credential ", "<signed-credential xmlns='urn:x' ")),
        "root is not",
    ),
}


def _nested() -> str:
    """What was not to be passed on, passed on by its owner to herself with more."""
    return making.passed_on(good(), ALICE.chain, {"embed": True}, NOW + HOUR, ALICE)


# ---- signatures of another form

KEY_VALUE = (
    "<ds:KeyValue><ds:RSAKeyValue><ds:Modulus>{}</ds:Modulus><ds:Exponent>AQAB</ds:Exponent>"
    "</ds:RSAKeyValue></ds:KeyValue>"
)


def with_key_value(authority: Holder = SIGNER) -> str:
    """Signed by Mallory, with Mallory's key in KeyInfo, and beside it the certificate of an authority."""
    text = issued(owner=MALLORY, signer=Holder(authority.chain, MALLORY.key))
    modulus = MALLORY.key.public_key().public_numbers().n.to_bytes(256)
    value = KEY_VALUE.format(base64.b64encode(modulus).decode())
    return replaced(text, ("<ds:KeyInfo>", f"<ds:KeyInfo>{value}"))


def signed_so(*changes: tuple[str, str]) -> Call:
    return call(replaced(issued(), *changes))


_TRANSFORM = '<ds:Transform Algorithm="http://www.w3.org/2000/09/xmldsig#enveloped-signature"/>'
_XPATH = (
    '<ds:Transform Algorithm="http://www.w3.org/TR/1999/REC-xpath-19991116">'
    "<ds:XPath>not(ancestor-or-self::privileges)</ds:XPath></ds:Transform>"
)
_XSLT = '<ds:Transform Algorithm="http://www.w3.org/TR/1999/REC-xslt-19991116"/>'
_LENGTH = "<ds:HMACOutputLength/></ds:SignatureMethod>"
_MORE = "http://www.w3.org/2001/04/xmldsig-more#"

SIGNED: Mapping[str, Forgery] = {
    "another key in KeyValue": Forgery(lambda: call(with_key_value(), client=MALLORY), "does not hold"),
    "another certificate first": Forgery(
        lambda: call(_with_certificate(MALLORY), client=MALLORY), "no authority over|does not hold"
    ),
    "no certificate": Forgery(
        lambda: call(re.sub(r"<ds:X509Data>.*</ds:X509Data>", "", issued(), flags=re.DOTALL)), "certificates"
    ),
    "a certificate that is noise": Forgery(
        lambda: call(re.sub(r"(<ds:X509Certificate>)[^<]*", r"\1noise", issued())), "cannot be read"
    ),
    "no KeyInfo": Forgery(lambda: signed_so((element(issued(), "ds:KeyInfo"), "")), "holds no <.*KeyInfo>"),
    "of the whole document": Forgery(lambda: signed_so(('URI="#ref0"', 'URI=""')), "not of an element"),
    "of nothing named": Forgery(lambda: signed_so((' URI="#ref0"', "")), "not of an element"),
    "of a file": Forgery(lambda: signed_so(('URI="#ref0"', 'URI="file:///etc/passwd"')), "not of an element"),
    "of a file with a like name": Forgery(
        lambda: signed_so(('URI="#ref0"', 'URI="/ref0"')), "not of an element"
    ),
    "of something that is a manifest": Forgery(
        lambda: signed_so(('URI="#ref0"', 'Type="http://www.w3.org/2000/09/xmldsig#Manifest" URI="#ref0"')),
        "not of an element",
    ),
    "by an xpointer": Forgery(
        lambda: signed_so(('URI="#ref0"', "URI=\"#xpointer(id('ref0'))\"")), "not of an element"
    ),
    "with one more transform": Forgery(lambda: signed_so((_TRANSFORM, _TRANSFORM + _XPATH)), "or twice"),
    "with another transform": Forgery(lambda: signed_so((_TRANSFORM, _XSLT)), "another transform"),
    "with a transform that chooses": Forgery(lambda: signed_so((_TRANSFORM, _XPATH)), "parameters"),
    "with no transform": Forgery(lambda: signed_so((_TRANSFORM, "")), "holds no <.*Transform>"),
    "with two references": Forgery(
        lambda: signed_so((element(issued(), "ds:Reference"), element(issued(), "ds:Reference") * 2)),
        "or twice",
    ),
    "with an exclusive canonical form": Forgery(
        lambda: signed_so(
            ("http://www.w3.org/TR/2001/REC-xml-c14n-20010315", "http://www.w3.org/2001/10/xml-exc-c14n#")
        ),
        "inclusive",
    ),
    "by HMAC": Forgery(lambda: signed_so((f"{_MORE}rsa-sha256", f"{_MORE}hmac-sha256")), "not RSA"),
    "by MD5": Forgery(lambda: signed_so((f"{_MORE}rsa-sha256", f"{_MORE}rsa-md5")), "not RSA"),
    "by a method with parameters": Forgery(
        lambda: signed_so((f'{_MORE}rsa-sha256"/>', f'{_MORE}rsa-sha256">{_LENGTH}')),
        "parameters",
    ),
}


def _with_certificate(who: Holder) -> str:
    """Signed by that somebody, who shows the authority's certificate, too."""
    text = issued(owner=who, signer=Holder((SIGNER.chain[0],), who.key))
    bare = "".join(pem(who.chain[:1]).splitlines()[1:-1])
    shown = f"<ds:X509Certificate>{bare}</ds:X509Certificate>"
    return replaced(text, ("<ds:X509Certificate>", f"{shown}<ds:X509Certificate>"))


# ---- the shape of a credential

_PARTS = ("type", "owner_gid", "owner_urn", "target_gid", "target_urn", "expires", "privileges")


def shaped(old: str, new: str) -> Call:
    return call(edited(issued(), (old, new)))


def times(count: int, name: str) -> Call:
    """With so many of that element."""
    one = element(issued(), name)
    return shaped(one, one * count)


SHAPED: Mapping[str, Forgery] = {
    **{f"no {name}": Forgery(partial(times, 0, name), f"holds no <{name}>") for name in _PARTS},
    **{f"two of {name}": Forgery(partial(times, 2, name), "or twice") for name in _PARTS},
    "something unknown": Forgery(lambda: shaped("<type>", "<more/><type>"), "holds <more>"),
    "another type": Forgery(lambda: shaped(">privilege<", ">ticket<"), "type is not privilege"),
    "another root": Forgery(lambda: call(issued().replace("signed-credential", "credential")), "root is not"),
    "no time": Forgery(lambda: call(edited(issued(), (_expires(), "<expires>soon</expires>"))), "no time"),
    "no end": Forgery(lambda: call(edited(issued(), (_expires(), "<expires></expires>"))), "no time"),
    "no URN": Forgery(lambda: shaped(f"<owner_urn>{IDN}", "<owner_urn>urn:publicid:"), "no URN"),
    "no certificate": Forgery(
        lambda: call(edited(issued(), (element(issued(), "owner_gid"), "<owner_gid>x</owner_gid>"))),
        "cannot be read",
    ),
    "no name of a privilege": Forgery(lambda: shaped("<name>*</name>", ""), "holds no <name>"),
    "a privilege that may or may not": Forgery(
        lambda: shaped(">true<", ">perhaps<"), "neither true nor false"
    ),
    "something else than privileges": Forgery(
        lambda: shaped("<privileges>", "<privileges><right/>"), "something else than privileges"
    ),
    "something else than signatures": Forgery(
        lambda: call(replaced(issued(), ("<signatures>", "<signatures><x/>"))),
        "something else than signatures",
    ),
    "no XML": Forgery(lambda: call("(credential)"), "malformed XML"),
    "empty": Forgery(lambda: call(""), "malformed XML"),
    "cut off": Forgery(lambda: call(issued()[:-5]), "malformed XML"),
    "a zero": Forgery(lambda: call(issued().replace("ref0", "ref\0")), "malformed XML"),
    "half a character": Forgery(lambda: call(issued().replace("one", "\ud800")), "malformed XML"),
}


def _expires() -> str:
    return element(issued(), "expires")


# ---- what is to keep us busy

LAUGHS = "<!DOCTYPE x [<!ENTITY a 'ha'>{}]>".format(
    "".join(f"<!ENTITY {b} '{f'&{a};' * 10}'>" for a, b in zip("abcdefghi", "bcdefghij", strict=True))
)
FILE = "<!DOCTYPE x [<!ENTITY j SYSTEM 'file:///etc/passwd'>]>"


def _many(word: str, count: int) -> str:
    return "".join(f" {word.format(number)}='urn:{number}'" for number in range(count))


BOMBS: Mapping[str, Forgery] = {
    "nested entities": Forgery(
        lambda: call(f"{LAUGHS}{replaced(issued(), ('>privilege<', '>&j;<'))}"), "document types"
    ),
    "an entity from a file": Forgery(
        lambda: call(f"{FILE}{replaced(issued(), ('>privilege<', '>&j;<'))}"), "document types"
    ),
    "an entity that is not declared": Forgery(
        lambda: call(replaced(issued(), (">privilege<", ">&j;<"))), "malformed"
    ),
    "a document type": Forgery(lambda: call(f"<!DOCTYPE signed-credential>{issued()}"), "document types"),
    "huge": Forgery(lambda: call(f"{issued()}{' ' * (1 << 24)}"), "longer than"),
    "deep": Forgery(lambda: call("<a>" * 30_000), "malformed"),
    "deep, and just so that it can be read": Forgery(
        lambda: call("<a>" * 200 + "</a>" * 200), "one in another"
    ),
    "many elements": Forgery(lambda: call(f"<a>{'<b/>' * 50_000}</a>"), "elements"),
    "many attributes": Forgery(lambda: call(f"<a{_many('b{}', 10_000)}/>"), "attributes"),
    "many namespaces": Forgery(lambda: call(f"<a{_many('xmlns:b{}', 10_000)}/>"), "namespaces"),
    "many signatures": Forgery(
        lambda: call(replaced(issued(), (_signature(issued()), _signature(issued()) * 40))), TWICE
    ),
    "many certificates": Forgery(
        lambda: call(issued(signer=Holder(SIGNER.chain * 9, SIGNER.key))), "certificates"
    ),
    "a long chain": Forgery(lambda: Call(client=Holder(ALICE.chain * 9, ALICE.key)), "more than 8"),
    "a long certificate": Forgery(
        lambda: call(replaced(issued(), ("<owner_gid>", f"<owner_gid>{'A' * (1 << 17)}"))), "longer than"
    ),
    "many credentials": Forgery(lambda: Call(credentials=[issued()] * 7), "more than 6", Invalid),
    "many bad ones": Forgery(lambda: Call(credentials=[line(5)] * 6, client=MALLORY), "none of the"),
    "many whose last signature does not hold": Forgery(
        lambda: Call(credentials=[_rotten()] * 6), "does not hold"
    ),
}


def _rotten() -> str:
    """The innermost one was altered before it was passed on: all others hold, and are looked at first."""
    return line(5, replaced(issued(), ("<serial>0", "<serial>1")))


DOCUMENTS: Mapping[str, Forgery] = {
    f"{kind}: {name}": forgery
    for kind, table in (("wrapped", WRAPPED), ("signed", SIGNED), ("shaped", SHAPED), ("bomb", BOMBS))
    for name, forgery in table.items()
}
