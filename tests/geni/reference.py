"""Credentials made as GENI's reference does it: text by hand, signed by the program xmlsec1.

Nothing of nm's is used in the making, so that what nm takes is not just what nm makes.
"""

import shutil
import subprocess
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from nm.geni.making import Holder, pem
from tests.geni import world

PROGRAM = shutil.which("xmlsec1")
needed = pytest.mark.skipif(PROGRAM is None, reason="needs the program xmlsec1")

DS = "http://www.w3.org/2000/09/xmldsig#"
SHA1 = (f"{DS}rsa-sha1", f"{DS}sha1")
SHA256 = ("http://www.w3.org/2001/04/xmldsig-more#rsa-sha256", "http://www.w3.org/2001/04/xmlenc#sha256")

_HEAD = """<?xml version="1.0"?>
<signed-credential xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" \
xsi:noNamespaceSchemaLocation="http://www.planet-lab.org/resources/sfa/credential.xsd" \
xsi:schemaLocation="http://www.planet-lab.org/resources/sfa/ext/policy/1 \
http://www.planet-lab.org/resources/sfa/ext/policy/1/policy.xsd">"""

_CREDENTIAL = """<credential xml:id="{ref}"><type>privilege</type><serial>8</serial>\
<owner_gid>{owner_gid}</owner_gid>\
<owner_urn>{owner}</owner_urn><target_gid>{target_gid}</target_gid><target_urn>{target}</target_urn><uuid/>\
<expires>{expires}</expires><privileges>{privileges}</privileges>{parent}</credential>"""

_PRIVILEGE = "<privilege><name>{}</name><can_delegate>{}</can_delegate></privilege>"

_SIGNATURE = """<Signature {id}xmlns="http://www.w3.org/2000/09/xmldsig#">
  <SignedInfo>
    <CanonicalizationMethod Algorithm="http://www.w3.org/TR/2001/REC-xml-c14n-20010315"/>
    <SignatureMethod Algorithm="{method}"/>
    <Reference URI="#{ref}">
      <Transforms>
        <Transform Algorithm="http://www.w3.org/2000/09/xmldsig#enveloped-signature" />
      </Transforms>
      <DigestMethod Algorithm="{digest}"/>
      <DigestValue></DigestValue>
    </Reference>
  </SignedInfo>
  <SignatureValue />
  <KeyInfo>
    <X509Data>
      <X509SubjectName/>
      <X509IssuerSerial/>
      <X509Certificate/>
    </X509Data>
    <KeyValue />
  </KeyInfo>
</Signature>"""


_LOOKED = datetime.fromtimestamp(world.NOW, UTC).strftime("%Y-%m-%d %H:%M:%S")


class Reference:
    """Its folder has the files that the program wants."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def credential(
        self,
        owner: Holder = world.ALICE,
        target: Holder = world.ONE,
        privileges: Mapping[str, str] | None = None,
        expires: str = "2031-01-01T00:00:00Z",
        signer: Holder = world.SIGNER,
        methods: tuple[str, str] = SHA1,
        with_id: bool = True,
        bare: bool = False,
    ) -> str:
        """A credential of the reference's shape; `bare`: its GIDs without armour, as ProtoGENI has them."""
        said = _said("ref0", owner, target, privileges or {"*": "true"}, expires, bare=bare)
        return self._signed(said, "ref0", "", signer, methods, with_id)

    def passed_on(self, text: str, owner: Holder, signer: Holder, expires: str) -> str:
        """That one passed on: its text goes into the new one's <parent>, its Signature beside the new one."""
        inner = text[text.index("<credential") : text.rindex("</credential>") + len("</credential>")]
        kept = text[text.index("<signatures>") + len("<signatures>") : text.index("</signatures>")]
        parent = f"<parent>{inner}</parent>"
        said = _said("ref1", owner, world.ONE, {"embed": "0"}, expires, parent)
        return self._signed(said, "ref1", kept, signer, SHA256, True)

    def _signed(
        self, said: str, ref: str, kept: str, signer: Holder, methods: tuple[str, str], with_id: bool
    ) -> str:
        name = f'xml:id="Sig_{ref}" ' if with_id else ""
        blank = _SIGNATURE.format(id=name, ref=ref, method=methods[0], digest=methods[1])
        text = f"{_HEAD}{said}<signatures>{kept}{blank}</signatures></signed-credential>"
        place = f"//*[local-name()='Signature' and .//@URI='#{ref}']"
        key, *chain = self._files(signer)
        node = ("--node-id", f"Sig_{ref}") if with_id else ("--node-xpath", place)
        given, made = self._folder / "given.xml", self._folder / "made.xml"
        given.write_text(text)
        _run("--sign", *node, "--privkey-pem", ",".join([key, *chain]), "--output", str(made), str(given))
        return made.read_text()

    def accepts(self, text: str, *options: str) -> bool:
        """Whether the reference's own way of looking finds the signature good."""
        given = self._folder / "looked.xml"
        given.write_text(text)
        root = self._folder / "root.pem"
        root.write_text(pem(world.LAB.chain))
        when = ("--verification-time", _LOOKED)
        which = ("--node-id", "Sig_ref0", "--trusted-pem", str(root))
        return _run("--verify", *options, *when, *which, str(given), check=False) == 0

    def _files(self, signer: Holder) -> Sequence[str]:
        """Its key and the certificates of its chain, a file each."""
        key = self._folder / "key.pem"
        key.write_text(world.pem_of(signer.key))
        paths = [str(key)]
        for number, one in enumerate(signer.chain):
            path = self._folder / f"cert{number}.pem"
            path.write_text(pem([one]))
            paths.append(str(path))
        return paths


def _said(
    ref: str,
    owner: Holder,
    target: Holder,
    privileges: Mapping[str, str],
    expires: str,
    parent: str = "",
    bare: bool = False,
) -> str:
    return _CREDENTIAL.format(
        ref=ref,
        owner=owner.urn,
        target=target.urn,
        owner_gid=_without_armour(owner) if bare else pem(owner.chain),
        target_gid=pem(target.chain),
        expires=expires,
        privileges="".join(_PRIVILEGE.format(*one) for one in privileges.items()),
        parent=parent,
    )


def _without_armour(who: Holder) -> str:
    lines = pem(who.chain[:1]).splitlines()
    return "\n".join(lines[1:-1]) + "\n"


def _run(*arguments: str, check: bool = True) -> int:
    assert PROGRAM is not None
    done = subprocess.run([PROGRAM, *arguments], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0 or not check, done.stderr
    return done.returncode
