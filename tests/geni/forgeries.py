"""Calls that must be refused: each is one that would be granted, with one claim in it that is wrong."""

import re
from collections.abc import Mapping
from dataclasses import replace

from nm.errors import Invalid
from nm.geni import making
from nm.geni.certificates import Trust
from nm.geni.making import Holder, pem
from tests.geni import world
from tests.geni.forgery import Forgery
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
    "a right that may and may not be passed on": Forgery(
        lambda: handed(passed(_doubtful())), "with control, which"
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
    "by a longer line than we follow": Forgery(lambda: call(line(6)), "more than 5 times"),
}


def _doubtful() -> str:
    twice = "<privilege><name>control</name><can_delegate>true</can_delegate></privilege></privileges>"
    return edited(issued(privileges={"control": False}), ("</privileges>", twice))


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


def line(times: int, text: str = "") -> str:
    """Passed on from Alice to Alice so many times."""
    text = text or issued()
    for _ in range(times):
        text = passed(text, ALICE, {"*": True})
    return text


CLAIMS: Mapping[str, Forgery] = {
    f"{kind}: {name}": forgery
    for kind, table in (("check list", CHECK_LIST), ("passed on", PASSED_ON))
    for name, forgery in table.items()
}
