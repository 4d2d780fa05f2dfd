"""lxml and xmlsec are one pair; and an id stands for one element, whoever made the tree."""

import pytest
from lxml import etree

from nm.errors import Denied, DeviceFailed
from nm.geni import xmlsignature
from nm.geni.documents import XML_ID


def test_the_pair_that_is_installed_fits() -> None:
    xmlsignature.check()


def test_another_pair_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(etree, "LIBXML_VERSION", (2, 9, 1))
    with pytest.raises(DeviceFailed, match=r"and lxml 2\.9\.1"):
        xmlsignature.check()


def test_an_id_that_two_elements_have_is_refused_here_too() -> None:
    root = etree.Element("a")
    for _ in range(2):
        etree.SubElement(root, "b", {XML_ID: "ref0"})
    with pytest.raises(Denied, match="twice"):
        xmlsignature.elements_by_id(root)
