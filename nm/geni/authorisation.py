"""Who may do what: a call's credentials and the client's certificate, judged by GENI's rules. Pure.

One credential that grants the call is enough. It must be the client's own, for the target of the call,
current, signed by an authority over that target, or passed on by steps none of which gave more than there
was; and everybody whom it names must be vouched for by a root that this site trusts.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.x509 import Certificate

from nm.errors import Denied
from nm.geni import certificates, credentials, privileges, times, urns, xmlsignature
from nm.geni.certificates import Gid, Trust
from nm.geni.credentials import Credential
from nm.geni.urns import Urn

_SHOWN = 3  # reasons in one refusal


@dataclass(frozen=True)
class Grant:
    """What was found: who calls, for what, until when at most, and what the credential allows there."""

    owner: Gid
    target: Urn
    expires: float  # of the credential; nothing that is made by it lasts longer
    rights: frozenset[str]  # operations, as privileges.py names them


@dataclass(frozen=True)
class _Case:
    """What all of a call's credentials are judged by."""

    client: Gid
    helpers: tuple[Certificate, ...]  # the authorities that the client showed beside its own certificate
    target: Urn | None
    operation: str
    now: float
    trust: Trust
    known: dict[Certificate, Gid]  # who was looked at already; most occur twice

    def gid(self, chain: Sequence[Certificate]) -> Gid:
        """Who that is. Denied when nobody vouches for it."""
        leaf = chain[0]
        if leaf not in self.known:
            self.known[leaf] = certificates.chained((*chain, *self.helpers), self.now, self.trust)
        return self.known[leaf]


def authorised(
    presented: object,
    client_chain: Sequence[bytes],
    target_urn: str | None,
    operation: str,
    now: float,
    trust: Trust,
) -> Grant:
    """What the client may do by the best of its credentials, that is the one which lasts longest.

    `presented`: the call's argument, as it came. `client_chain`: DER, the client's own certificate first.
    `target_urn`: the slice, or None where a call has none. `operation`: the method's name.
    Invalid when an argument has the wrong shape, Denied when no credential grants the call.
    """
    texts = credentials.texts(presented)
    target = None if target_urn is None else urns.parse(target_urn)
    chain = certificates.from_der(client_chain)
    client = certificates.chained(chain, now, trust)
    case = _Case(client, chain[1:], target, operation, now, trust, {chain[0]: client})
    refusals: list[Denied] = []
    lines = []
    for text in texts:
        try:
            lines.append((text, credentials.parse(text, trust.sha1)))
        except Denied as error:
            refusals.append(error)
    for text, line in sorted(lines, key=lambda one: -one[1][0].expires):
        try:
            return _granted(text, line, case)
        except Denied as error:
            refusals.append(error)
    raise _refused(refusals, operation)


def _refused(refusals: list[Denied], operation: str) -> Denied:
    if not refusals:
        hint = "get one from your slice authority; only geni_sfa, versions 2 and 3, is known here"
        return Denied(f"no credential was given for {operation}", hint)
    if len(refusals) == 1:
        return refusals[0]
    said = "; ".join(error.message for error in refusals[:_SHOWN])
    return Denied(f"none of the credentials grants {operation}: {said}", refusals[0].hint)


def _granted(text: str, line: tuple[Credential, ...], case: _Case) -> Grant:
    first = line[0]
    if first.owner != case.client.urn:
        hint = "call with the certificate of the credential's owner"
        raise Denied(f"the credential is {first.owner}'s, and {case.client.urn} calls", hint)
    if case.target is not None and first.target != case.target:
        hint = "give the credential of the slice that the call is for"
        raise Denied(f"the credential is for {first.target}, and the call for {case.target}", hint)
    rights = privileges.operations(first.privileges, first.target.type)
    needed = privileges.NEEDED[case.operation]
    if needed and not needed & rights:
        hint = f"{case.operation} needs {' or '.join(sorted(needed))}"
        raise Denied(f"the credential for {first.target} does not grant {case.operation}", hint)
    for one, parent in zip(line, (*line[1:], None), strict=True):
        _holds(text, one, parent, case)
    return Grant(case.client, first.target, first.expires, rights)


def _holds(text: str, one: Credential, parent: Credential | None, case: _Case) -> None:
    """Denied unless all that it says in that text is so, given that the one it was made from holds."""
    if one.expires <= case.now:
        hint = "get a new one, or have it renewed"
        raise Denied(f"the credential for {one.target} ended at {times.render(one.expires)}", hint)
    for urn, chain in ((one.owner, one.owner_gid), (one.target, one.target_gid)):
        if (gid := case.gid(chain)).urn != urn:
            raise Denied(f"the credential says {urn}, and its certificate {gid.urn}", _ANEW)
    signer = case.gid(one.signers)
    if parent is not None:
        _passed_on(one, parent, signer)
    elif not signer.urn.is_over(one.target):
        # Who issued the target's certificate is such an authority, too: its chain was looked at.
        raise Denied(f"{signer.urn} signed the credential, and is no authority over {one.target}", _ANEW)
    key = signer.certificate.public_key()
    if not isinstance(key, RSAPublicKey):
        raise Denied(f"{signer.urn} signed the credential by another key than RSA", _ANEW)
    xmlsignature.verify(text, one.signature, key)


def _passed_on(one: Credential, parent: Credential, signer: Gid) -> None:
    if signer.certificate != parent.owner_gid[0]:
        raise Denied(f"{signer.urn} passed the credential on, and {parent.owner} owned it", _ANEW)
    if one.target != parent.target or one.target_gid[0] != parent.target_gid[0]:
        raise Denied(f"a credential for {parent.target} was passed on as one for {one.target}", _ANEW)
    if one.expires > parent.expires:
        raise Denied("the credential was passed on for longer than it lasts", _ANEW)
    if names := privileges.beyond(one.privileges, parent.privileges, one.target.type):
        said = ", ".join(names)[:80]
        raise Denied(f"the credential was passed on with {said}, which its owner could not give", _ANEW)


_ANEW = "have it issued or passed on anew, by GENI's rules"
