"""Calls that must be refused: each is one that would be granted, with one thing wrong.

A table for the tests, which look at the reason, and for the benchmark, which looks at the time.
"""

import base64
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache, partial

from nm.errors import Denied, Invalid, NMError
from nm.geni import making
from nm.geni.certificates import Trust
from nm.geni.making import Holder, pem
from tests.geni import world
from tests.geni.world import (
    ALICE,
    BOB,
    DAY,
    HOUR,
    IDN,
    LAB,
    MALLORY,
    NOW,
    ONE,
    OTHER,
    PROJECTS,
    SIGNER,
    TRUST,
    TWO,
    Call,
    call,
    edited,
    element,
    holder,
    issued,
    passed,
    replaced,
    root,
)


@dataclass(frozen=True)
class Forgery:
    make: Callable[[], Call]
    reason: str  # found in what the refusal says
    error: type[NMError] = Denied


TWICE = "twice|already defined"  # libxml2 may be first to find an xml:id that is there already
ENDED = {"ends": NOW - 1}
LATER = {"begins": NOW + DAY}


def owned(who: Holder) -> Call:
    """As if by that other certificate of Alice's, in the credential only."""
    return call(issued(owner=who))


# ---- what the check list of credentials asks for

CHECK_LIST: Mapping[str, Forgery] = {
    "the credential has ended": Forgery(lambda: call(issued(expires=NOW)), "ended at"),
    "the client's certificate has ended": Forgery(
        lambda: call(issued(), client=holder(LAB, "lab+user+alice", **ENDED)), "alice.* has ended"
    ),
    "the client's certificate begins later": Forgery(
        lambda: call(issued(), client=holder(LAB, "lab+user+alice", **LATER)), "alice.* begins later"
    ),
    "the owner's certificate has ended": Forgery(
        lambda: owned(holder(LAB, "lab+user+alice", **ENDED)), "alice.* has ended"
    ),
    "the target's certificate has ended": Forgery(
        lambda: call(issued(target=holder(PROJECTS, "lab:proj+slice+one", **ENDED))), "one.* has ended"
    ),
    "the signer's certificate has ended": Forgery(
        lambda: call(issued(signer=holder(LAB, "lab+authority+sa", **ENDED))), "sa.* has ended"
    ),
    "an authority between has ended": Forgery(
        lambda: call(issued(target=holder(_ended_authority(), "lab:proj+slice+one"))), "sa.* has ended"
    ),
    "the root has ended": Forgery(lambda: Call(now=NOW + 31 * DAY), "has ended"),
    "another client calls": Forgery(lambda: Call(client=MALLORY), "alice's, and .*mallory calls"),
    "the same name of another authority": Forgery(
        lambda: Call(client=holder(OTHER, "other+user+alice")), "other.user.alice calls"
    ),
    "no client's certificate": Forgery(lambda: Call(chain=()), "shows no certificate"),
    "the client's certificate is noise": Forgery(lambda: Call(chain=(b"noise",)), "cannot be read"),
    "the client's certificate is from nowhere": Forgery(
        lambda: Call(client=holder(_stranger(), "lab+user+alice")), "nobody whom this site trusts"
    ),
    "the owner's URN is not its certificate's": Forgery(
        lambda: call(edited(issued(owner=MALLORY), (f"{IDN}lab+user+mallory", f"{IDN}lab+user+alice"))),
        "says .*alice, and its certificate .*mallory",
    ),
    "the target's URN is not its certificate's": Forgery(
        lambda: call(edited(issued(target=TWO), (f"{IDN}lab:proj+slice+two", world.SLICE))),
        "says .*one, and its certificate .*two",
    ),
    "another slice": Forgery(lambda: call(issued(target=TWO)), "is for .*two, and the call for .*one"),
    "the slice of another authority": Forgery(
        lambda: Call(target=f"{IDN}lab:other+slice+one"), "and the call for .*lab:other"
    ),
    "a target that is no URN": Forgery(lambda: Call(target="one"), "no URN", Invalid),
    "a right is missing": Forgery(
        lambda: call(issued(privileges={"info": True, "refresh": True})), "does not grant Allocate"
    ),
    "control does not shut down": Forgery(
        lambda: call(issued(privileges={"control": True}), operation="Shutdown"), "not grant Shutdown"
    ),
    "an unknown right": Forgery(lambda: call(issued(privileges={"all": True})), "does not grant"),
    "a user's credential": Forgery(
        lambda: call(issued(target=ALICE), target=str(ALICE.urn)), "does not grant Allocate"
    ),
    "altered": Forgery(
        lambda: call(replaced(issued(privileges={"info": True}), (">info<", ">embed<"))), "does not hold"
    ),
    "its signature is altered": Forgery(lambda: call(_bent(issued())), "does not hold"),
    "no signature": Forgery(
        lambda: call(replaced(issued(), (element(issued(), "ds:Signature"), ""))), "one signature for each"
    ),
    "signed by a user": Forgery(lambda: call(issued(signer=ALICE)), "no authority over"),
    "signed by a slice": Forgery(lambda: call(issued(signer=ONE)), "no authority over"),
    "signed by another authority": Forgery(lambda: call(issued(signer=OTHER)), "no authority over"),
    "signed by an authority beside": Forgery(
        lambda: call(issued(signer=holder(LAB, "lab:else+authority+sa"))), "no authority over"
    ),
    "signed by an authority with a like name": Forgery(
        lambda: call(issued(signer=root("lab:pro+authority+sa")), trust=_trusting("lab:pro+authority+sa")),
        "no authority over",
    ),
    "signed by somebody from nowhere": Forgery(
        lambda: call(issued(signer=_stranger())), "nobody whom this site trusts"
    ),
    "the owner's certificate is from nowhere": Forgery(
        lambda: owned(holder(_stranger(), "lab+user+alice")), "nobody whom this site trusts"
    ),
    "the target's certificate is from nowhere": Forgery(
        lambda: call(issued(target=holder(_stranger(), "lab:proj+slice+one"))), "nobody whom this site trusts"
    ),
    "vouched for by a user": Forgery(
        lambda: owned(holder(holder(LAB, "lab+user+boss", issues=True), "lab+user+alice")), "is no authority"
    ),
    "vouched for by one that may not issue": Forgery(
        lambda: owned(holder(SIGNER, "lab+user+alice")), "CA:TRUE"
    ),
    "vouched for by another authority": Forgery(
        lambda: owned(holder(OTHER, "lab+user+alice", "other")), "not in its namespace"
    ),
    "vouched for by an authority beneath": Forgery(
        lambda: owned(holder(PROJECTS, "lab+user+alice")), "not in its namespace"
    ),
    "an authority beneath vouches for its own root": Forgery(
        lambda: owned(holder(holder(PROJECTS, "lab+authority+ca", "false", issues=True), "lab+user+alice")),
        "not in its namespace",
    ),
    "the owner's certificate is revoked": Forgery(
        lambda: Call(trust=_without(ALICE, LAB)), "alice is revoked"
    ),
    "the target's certificate is revoked": Forgery(
        lambda: Call(trust=_without(ONE, PROJECTS)), "one is revoked"
    ),
    "an authority between is revoked": Forgery(lambda: Call(trust=_without(PROJECTS, LAB)), "sa is revoked"),
    "SHA-1 where it does not count": Forgery(lambda: call(issued(sha1=True)), "SHA-1"),
}


def _stranger() -> Holder:
    """A root that nobody trusts."""
    return root("lab+authority+stranger")


def _ended_authority() -> Holder:
    return holder(LAB, "lab:proj+authority+sa", issues=True, **ENDED)


def _trusting(rest: str) -> Trust:
    return replace(TRUST, roots=(*TRUST.roots, root(rest).chain[0]))


def _without(who: Holder, issuer: Holder) -> Trust:
    revoked = making.revocation(issuer, [who.chain[0].serial_number], NOW - DAY, NOW - HOUR)
    return replace(TRUST, revoked=(revoked,))


def _bent(text: str) -> str:
    value = re.findall(r"<ds:SignatureValue>\s*(\S+)", text)[0]
    return text.replace(value, value[::-1])


# ---- what may go wrong where a credential is passed on

GIVEN = {"control": True, "info": False}


def handed(text: str) -> Call:
    return call(text, client=BOB)


PASSED_ON: Mapping[str, Forgery] = {
    "a right that the parent may not pass on": Forgery(
        lambda: handed(passed(issued(privileges=GIVEN), privileges={"control": False, "info": False})),
        "with info, which",
    ),
    "a right that the parent has not": Forgery(
        lambda: handed(passed(issued(privileges=GIVEN), privileges={"embed": False})), "with embed, which"
    ),
    "every right of a parent that has few": Forgery(
        lambda: handed(passed(issued(privileges=GIVEN), privileges={"*": False})), "with bind, embed"
    ),
    "every right that may not be passed on": Forgery(
        lambda: handed(passed(issued(privileges={"*": False}))), "with control, which"
    ),
    "for longer": Forgery(lambda: handed(passed(expires=NOW + HOUR + 1)), "for longer"),
    "by somebody who does not own the parent": Forgery(
        lambda: handed(passed(signer=MALLORY)), "mallory passed the credential on"
    ),
    "by the authority itself": Forgery(lambda: handed(passed(signer=SIGNER)), "sa passed the credential on"),
    "by another certificate of the owner's": Forgery(
        lambda: handed(passed(signer=holder(LAB, "lab+user+alice", "again"))),
        "alice passed the credential on",
    ),
    "the parent has ended": Forgery(
        lambda: handed(passed(issued(expires=NOW - 1), expires=NOW - 1)), "ended at"
    ),
    "the parent is signed by a user": Forgery(
        lambda: handed(passed(issued(signer=MALLORY))), "no authority over"
    ),
    "the parent is altered": Forgery(
        lambda: handed(
            world.signed_anew(
                _last_first(replaced(passed(issued(privileges={"info": True})), (">info<", ">control<"))),
                ALICE,
            )
        ),
        "does not hold",
    ),
    "for another target": Forgery(
        lambda: call(_retargeted(), client=BOB, target=str(TWO.urn)), "was passed on as one for"
    ),
    "by a longer line than we follow": Forgery(lambda: call(_line(6)), "more than 5 times"),
}


def _last_first(text: str) -> str:
    """The same with the last signature before the others."""
    start = text.rindex("<ds:Signature ")
    end = text.rindex("</signatures>")
    last = text[start:end]
    return text[:start].replace("<signatures>", f"<signatures>{last}") + text[end:]


def _retargeted() -> str:
    text = _last_first(passed())
    gid, other = element(text, "target_gid"), f"<target_gid>{pem(TWO.chain)}</target_gid>"
    named = f"<target_urn>{world.SLICE}</target_urn>"
    return edited(text, (gid, other), (named, f"<target_urn>{TWO.urn}</target_urn>"), signer=ALICE)


def _line(times: int) -> str:
    """Passed on from Alice to Alice so many times."""
    text = issued()
    for _ in range(times):
        text = passed(text, ALICE, {"*": True})
    return text


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
_MORE = "http://www.w3.org/2001/04/xmldsig-more#"

SIGNED: Mapping[str, Forgery] = {
    "another key in KeyValue": Forgery(
        lambda: call(with_key_value(), client=MALLORY), "does not hold"
    ),
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
    "by an xpointer": Forgery(
        lambda: signed_so(('URI="#ref0"', "URI=\"#xpointer(id('ref0'))\"")), "not of an element"
    ),
    "with one more transform": Forgery(lambda: signed_so((_TRANSFORM, _TRANSFORM + _XPATH)), "or twice"),
    "with another transform": Forgery(lambda: signed_so((_TRANSFORM, _XSLT)), "another transform"),
    "with a transform that chooses": Forgery(lambda: signed_so((_TRANSFORM, _XPATH)), "parameters"),
    "with no transform": Forgery(lambda: signed_so((_TRANSFORM, "")), "holds no <.*Transform>"),
    "with two references": Forgery(
        lambda: signed_so((element(issued(), "ds:Reference"), element(issued(), "ds:Reference") * 2)), "or twice"
    ),
    "with an exclusive canonical form": Forgery(
        lambda: signed_so(("http://www.w3.org/TR/2001/REC-xml-c14n-20010315", "http://www.w3.org/2001/10/xml-exc-c14n#")),
        "inclusive",
    ),
    "by HMAC": Forgery(lambda: signed_so((f"{_MORE}rsa-sha256", f"{_MORE}hmac-sha256")), "not RSA"),
    "by MD5": Forgery(lambda: signed_so((f"{_MORE}rsa-sha256", f"{_MORE}rsa-md5")), "not RSA"),
    "by a method with parameters": Forgery(
        lambda: signed_so((f'{_MORE}rsa-sha256"/>', f'{_MORE}rsa-sha256"><ds:HMACOutputLength/></ds:SignatureMethod>')),
        "parameters",
    ),
}  # fmt: skip


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
    "nested entities": Forgery(lambda: call(f"{LAUGHS}{replaced(issued(), ('>privilege<', '>&j;<'))}"), "document types"),
    "an entity from a file": Forgery(lambda: call(f"{FILE}{replaced(issued(), ('>privilege<', '>&j;<'))}"), "document types"),
    "an entity that is not declared": Forgery(lambda: call(replaced(issued(), (">privilege<", ">&j;<"))), "malformed"),
    "a document type": Forgery(lambda: call(f"<!DOCTYPE signed-credential>{issued()}"), "document types"),
    "huge": Forgery(lambda: call(f"{issued()}{' ' * (1 << 24)}"), "longer than"),
    "deep": Forgery(lambda: call("<a>" * 30_000), "malformed"),
    "deep, and just so that it can be read": Forgery(lambda: call("<a>" * 200 + "</a>" * 200), "one in another"),
    "many elements": Forgery(lambda: call(f"<a>{'<b/>' * 50_000}</a>"), "elements"),
    "many attributes": Forgery(lambda: call(f"<a{_many('b{}', 10_000)}/>"), "attributes"),
    "many namespaces": Forgery(lambda: call(f"<a{_many('xmlns:b{}', 10_000)}/>"), "namespaces"),
    "many signatures": Forgery(lambda: call(replaced(issued(), (_signature(issued()), _signature(issued()) * 40))), TWICE),
    "many certificates": Forgery(
        lambda: call(issued(signer=Holder(SIGNER.chain * 9, SIGNER.key))), "certificates"
    ),
    "a long chain": Forgery(lambda: Call(client=Holder(ALICE.chain * 9, ALICE.key)), "more than 8"),
    "a long certificate": Forgery(
        lambda: call(replaced(issued(), ("<owner_gid>", f"<owner_gid>{'A' * (1 << 17)}"))), "longer than"
    ),
    "many credentials": Forgery(lambda: Call(credentials=[issued()] * 11), "more than 10", Invalid),
    "many bad ones": Forgery(lambda: Call(credentials=[_line(5)] * 10, client=MALLORY), "none of the"),
    "many whose last signature does not hold": Forgery(
        lambda: Call(credentials=[_rotten(_line(5))] * 10), "does not hold"
    ),
}  # fmt: skip


def _rotten(text: str) -> str:
    """The innermost one says something else than was signed, so that all others are looked at before it."""
    start = text.rindex("<serial>")
    return text[:start] + text[start:].replace("<serial>0", "<serial>1", 1)


ALL: Mapping[str, Forgery] = {
    f"{kind}: {name}": forgery
    for kind, table in (
        ("check list", CHECK_LIST),
        ("passed on", PASSED_ON),
        ("wrapped", WRAPPED),
        ("signed", SIGNED),
        ("shaped", SHAPED),
        ("bomb", BOMBS),
    )
    for name, forgery in table.items()
}
