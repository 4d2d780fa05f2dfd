"""Requests that were damaged somehow: refused in nm's own words, or carried through to a manifest."""

from contextlib import suppress

from hypothesis import given
from hypothesis import strategies as st

from nm.errors import NMError
from nm.geni.rspec import manifest, texts
from tests.geni.lab import FAR, LAB, asked, link, rspec, written

KEY = "<user:public_key>k</user:public_key>"
USER = f'<services><user:services_user login="a">{KEY}</user:services_user></services>'
KIND = '<sliver_type name="raw"><disk_image name="debian"/></sliver_type><hardware_type name="pc"/>'
WHOLE = rspec(
    asked("a", KIND, USER, '<nm:several count="2"/>', interfaces=1),
    asked("b", '<nm:node id="7"/>', "<other:x/>", interfaces=2, exclusive="true"),
    asked("c", component_id=LAB.node("n1"), component_manager_id=LAB.manager),
    asked("f", interfaces=1, component_manager_id=FAR),
    link("l", "a:0", "b:0", more='<nm:vlan id="105"/><link_type name="lan"/>'),
    link("s", "b:1", more='<shared:link_shared_vlan name="120"/><emulab:vlan_tagging enabled="true"/>'),
)
WORDS = st.sampled_from([
    "", "<", ">", "/", '"', "&", "&#0;", "&#xD800;", "\0", "1", "-1", "9" * 400, "a:0", "true", "<node/>",
    "<!--", "-->", 'client_id="a"', "urn:publicid:IDN+", "xmlns=''", "<link>", "\u00e9", "<![CDATA[", "]]>",
    "<nm:several count='70'/>",
])  # fmt: skip
NAMES = st.sampled_from(["component_id", "name", "count", "id", "client_id", "exclusive", "enabled"])
PLACE = st.integers(0, len(WHOLE))


@given(st.lists(st.tuples(PLACE, st.integers(0, 30), WORDS), min_size=1, max_size=3))
def test_damage_is_refused_or_does_no_harm(damage: list[tuple[int, int, str]]) -> None:
    text = WHOLE
    for place, length, word in damage:
        text = text[:place] + word + text[place + length :]
    with suppress(NMError):
        made = written(text)
        assert manifest.read(made).nodes


@given(NAMES, st.text())
def test_any_value_is_refused_or_does_no_harm(name: str, value: str) -> None:
    root = texts.parse(WHOLE)
    for one in root.iter():
        if one.get(name) is not None:
            with suppress(ValueError):  # what XML cannot say
                one.set(name, value)
    with suppress(NMError):
        assert manifest.read(written(texts.render(root))).nodes


def test_undamaged_it_goes_through() -> None:
    assert len(manifest.read(written(WHOLE)).nodes) == 5
