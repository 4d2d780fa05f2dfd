"""nmctl geni as a client: what is asked, whom it trusts, how it fails, and where answers go."""

import shutil
import socket
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nm.clearing.house import SLICE_LIFE, USER_LIFE, House
from nm.clearing.identity import Life, chain_of
from nm.geni import times
from nm.geni.rspec import texts
from nm.geni.rspec.vocabulary import RSPEC
from nm.shell.geni.calls import file_name
from nm.shell.guide import verb_first
from nm.shell.table import Options
from tests.shell.conftest import Ran, run
from tests.shell.foreign import Foreign, foreign

DEMO = "urn:publicid:IDN+lab.example+slice+demo"
SLIVER = "urn:publicid:IDN+far.example+sliver+n1"
AD = f"""<rspec xmlns="{RSPEC}" type="advertisement"><node component_name="n1" component_id="urn:n1"
component_manager_id="urn:cm"><available now="false"/><hardware_type name="pc"/>
<interface component_id="urn:i"/></node><unknown/></rspec>"""
MANIFEST = f"""<rspec xmlns="{RSPEC}" type="manifest"><node client_id="a" component_id="urn:x+y+node+n1"
sliver_id="{SLIVER}"><services><login authentication="ssh-keys" hostname="n1.far" port="2222" username="al"/>
</services></node><link client_id="lan" vlantag="101"/></rspec>"""
STATES = {
    "geni_sliver_urn": SLIVER,
    "geni_allocation_status": "geni_provisioned",
    "geni_operational_status": "geni_ready",
    "geni_expires": "2030-01-01T00:00:00Z",
    "geni_error": "",
}


@pytest.fixture(scope="session")
def founded(tmp_path_factory: pytest.TempPathFactory) -> House:
    made = House(tmp_path_factory.mktemp("founded") / "geni")
    made.found("lab.example", ["localhost"])
    wallet = made.user("alice", Life.of(USER_LIFE))
    made.slice("demo", Life.of(SLICE_LIFE))
    text, _ = made.credential(chain_of(wallet.identity), "demo", None)
    wallet.slice_credential("demo").write_text(text)
    return made


@pytest.fixture
def wallet(founded: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Alice's, who is in a folder of her own."""
    mine = tmp_path / "wallet"
    shutil.copytree(founded.wallet("alice").folder, mine)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("NM_GENI_WALLET", str(mine))
    return mine


@pytest.fixture
def far(founded: House, wallet: Path) -> Iterator[Foreign]:
    with foreign(founded.folder) as made:
        yield made


def geni(far: Foreign, *words: str, status: int = 0) -> Ran:
    ran = run("geni", *words, "-a", far.url)
    assert ran.status == status, ran
    return ran


# ---- what is asked


def test_each_call_has_the_arguments_of_the_api(far: Foreign, tmp_path: Path) -> None:
    (tmp_path / "request.xml").write_text("<rspec/>")
    (tmp_path / "key.pub").write_text("# mine\nssh-ed25519 AAAA alice\n\n")
    slivers = {"geni_rspec": MANIFEST, "geni_slivers": [STATES], "geni_urn": DEMO}
    far.answers = {
        "GetVersion": {"geni_api": 3},
        "ListResources": texts.compress(AD),
        **dict.fromkeys(("Allocate", "Provision", "Describe", "Status"), slivers),
        **{name: [STATES] for name in ("Renew", "PerformOperationalAction", "Delete")},
        "Shutdown": True,
    }
    request, key, until = str(tmp_path / "request.xml"), str(tmp_path / "key.pub"), "2026-12-24T20:00:00Z"
    geni(far, "getversion")
    geni(far, "listresources", "--available", "--no-compress")
    geni(far, "allocate", "demo", request, "--end-time", "2026-12-24T20:00:00.310002", "--devmode")
    geni(far, "provision", "demo", "--ssh-key", key, "--ssh-key", f"urn:x={key}", "--best-effort")
    geni(far, "describe", "demo")
    geni(far, "status", "demo", "-u", SLIVER)
    geni(far, "renew", "demo", until, "--alap", "--devmode")
    geni(far, "performoperationalaction", "demo", "geni_start")
    geni(far, "delete", "demo")
    geni(far, "shutdown", "demo")
    third = {"type": "GENI", "version": "3"}
    keys = ["ssh-ed25519 AAAA alice"]
    users = [
        {"urn": "urn:publicid:IDN+lab.example+user+alice", "keys": keys},
        {"urn": "urn:x", "keys": keys},
    ]
    assert [(method, _without_credentials(arguments)) for method, arguments in far.asked] == [
        ("GetVersion", [{}]),
        ("ListResources", [{"geni_rspec_version": third, "geni_available": True, "geni_compressed": False}]),
        ("Allocate", [DEMO, "<rspec/>", {"geni_end_time": until}]),
        ("Provision", [[DEMO], {"geni_rspec_version": third, "geni_best_effort": True, "geni_users": users}]),
        ("Describe", [[DEMO], {"geni_rspec_version": third, "geni_compressed": True}]),
        ("Status", [[SLIVER], {}]),
        ("Renew", [[DEMO], until, {"geni_extend_alap": True}]),
        ("PerformOperationalAction", [[DEMO], "geni_start", {}]),
        ("Delete", [[DEMO], {}]),
        ("Shutdown", [DEMO, {}]),
    ]


def _without_credentials(arguments: tuple[Any, ...]) -> list[Any]:
    """What is asked, but for the credentials; which are there, and of the right form."""
    found = [one for one in arguments if isinstance(one, list) and one and isinstance(one[0], dict)]
    for (struct,) in found:
        assert (struct["geni_type"], struct["geni_version"]) == ("geni_sfa", "3")
        assert struct["geni_value"].startswith("<signed-credential")
    return [one for one in arguments if one not in found]


def test_a_users_own_credential_lists_and_a_slices_does_the_rest(far: Foreign) -> None:
    far.answers = {"ListResources": AD, "Status": {"geni_slivers": []}}
    geni(far, "listresources")
    geni(far, "status", "Demo")
    (_, ((own,), _)), (_, (_, (of_slice,), _)) = far.asked
    assert "<target_urn>urn:publicid:IDN+lab.example+user+alice<" in own["geni_value"]
    assert f"<target_urn>{DEMO}<" in of_slice["geni_value"]


@pytest.mark.parametrize(
    "text", ["2026-12-24", "20261224", "2026-12-24T00:00:00", "2026-12-24T01:00:00+01:00"]
)
def test_times_are_utcs_unless_they_name_a_zone(far: Foreign, text: str) -> None:
    far.answers = {"Renew": []}
    geni(far, "renew", "demo", text, "--devmode")
    assert far.asked[0][1][2] == "2026-12-24T00:00:00Z"


def test_what_is_beyond_the_credential_is_not_asked_for_without_devmode(far: Foreign, wallet: Path) -> None:
    far.answers = {"Renew": []}
    ran = geni(far, "renew", "demo", "+60d", status=6)
    assert "ends before" in ran.err and "--devmode" in ran.err
    assert geni(far, "renew", "demo", "soon", status=2).err.startswith("nmctl: 'soon' is no time")
    assert far.asked == []
    geni(far, "renew", "demo", "+60d", "--devmode")
    geni(far, "renew", "demo", "+60d", "--alap")
    geni(far, "renew", "demo", "soon", "--devmode")
    asked = [arguments[2] for _, arguments in far.asked]
    assert times.parse(asked[0]) == pytest.approx(time.time() + 60 * 86400, abs=60) and asked[2] == "soon"


# ---- what is shown, and where it goes


def test_answers_are_tables_or_json_or_files_as_omni_names_them(far: Foreign, tmp_path: Path) -> None:
    far.answers = {
        "ListResources": AD,
        "Describe": {"geni_rspec": MANIFEST, "geni_slivers": [STATES], "geni_urn": DEMO},
    }
    assert (
        geni(far, "listresources").out
        == "NODE  AVAILABLE  HARDWARE  NICS  URN\nn1    no         pc        1     urn:n1\n"
    )
    said = geni(far, "describe", "demo").out
    assert "n1      provisioned  ready  2030-01-01" in said
    assert "a     n1  n1      ssh al@n1.far -p 2222" in said and "lan   101" in said
    assert geni(far, "describe", "demo", "--json").json["result"]["geni_slivers"] == [STATES]
    assert geni(far, "listresources", "--tostdout").out.strip() == AD
    assert geni(far, "listresources", "-o").out == f"written to rspec-localhost-{far.port}.xml\n"
    geni(far, "describe", "demo", "-o", "-p", "my")
    here = tmp_path / "here"
    assert sorted(path.name for path in here.iterdir()) == [
        f"my-demo-describe-localhost-{far.port}.json",
        f"rspec-localhost-{far.port}.xml",
    ]
    assert (here / f"rspec-localhost-{far.port}.xml").read_text().strip() == AD
    assert stat.S_IMODE((here / f"rspec-localhost-{far.port}.xml").stat().st_mode) == 0o644


@pytest.mark.parametrize(
    ("more", "name"),
    [
        ({}, "demo-status-am-example-org-8001.json"),
        ({"prefix": "p"}, "p-demo-status-am-example-org-8001.json"),
        ({"prefix": "p/"}, "p/demo-status-am-example-org-8001.json"),
        ({"outputfile": "%s-at-%a.txt"}, "demo-at-am-example-org-8001.txt"),
        ({"slice": DEMO}, "demo-status-am-example-org-8001.json"),
        (
            {"aggregate": "https://am.example.org:8001/xmlrpc/am/3"},
            "demo-status-am-example-org-8001-xmlrpc-am-3.json",
        ),
    ],
)
def test_files_are_named_as_omni_names_them(more: dict[str, str], name: str) -> None:
    usual = {"aggregate": "https://am.example.org:8001", "slice": "demo", "prefix": None, "outputfile": None}
    assert file_name(Options(**{**usual, **more}), "status", ".json") == name


def test_options_may_stand_before_the_verb_as_with_omni() -> None:
    words = ["geni", "-o", "-a", "URL", "--timeout", "3", "-V", "3", "status", "demo", "--json"]
    assert verb_first(words, {"--timeout"}) == [
        "geni", "status", "-o", "-a", "URL", "--timeout", "3", "-V", "3", "demo", "--json",
    ]  # fmt: skip
    for usual in (["geni", "status", "-o"], ["geni", "--help"], ["events", "--limit", "1"], ["geni"]):
        assert verb_first(usual, set()) == usual


# ---- how it fails


@pytest.mark.parametrize(
    ("code", "status"), [(1, 2), (3, 4), (12, 5), (14, 6), (7, 6), (13, 1), (5, 7), (26, 6), (99, 1)]
)
def test_a_refusal_is_told_with_its_code(far: Foreign, code: int, status: int) -> None:
    far.answers = {"Status": (code, "no such luck")}
    ran = geni(far, "status", "demo", "--json", status=status)
    assert ran.json["error"]["code"] == code and "no such luck" in ran.json["error"]["message"]


def test_what_was_done_in_part_is_not_done(far: Foreign) -> None:
    far.answers = {"Delete": [STATES, {**STATES, "geni_error": "stuck"}]}
    assert "stuck" in geni(far, "delete", "demo", "--best-effort", status=9).out
    geni(far, "delete", "demo")


BOMB = b"""<!DOCTYPE a [<!ENTITY b "bbbbbbbb"><!ENTITY c "&b;&b;&b;">]><methodResponse>&c;</methodResponse>"""


@pytest.mark.parametrize("body", [b"", b"<html/>", b"hello", BOMB])
def test_what_is_no_answer_is_told(far: Foreign, body: bytes) -> None:
    far.answers = {"GetVersion": body}
    assert "does not answer in XML-RPC" in geni(far, "getversion", status=8).err


@pytest.mark.parametrize("value", ["", 3, [], {"geni_api": []}, {"geni_request_rspec_versions": [1, {}]}])
def test_an_answer_of_another_shape_is_shown_as_it_is(far: Foreign, value: Any) -> None:
    far.answers = dict.fromkeys(("GetVersion", "Status", "Shutdown"), value)
    for words in (("getversion",), ("status", "demo"), ("shutdown", "demo")):
        geni(far, *words)


def test_a_strangers_words_do_not_steer_the_terminal(far: Foreign) -> None:
    far.answers = {"Status": {"geni_slivers": [{**STATES, "geni_error": "\t[31m\u202eevil"}]}}
    assert "\u202e" not in geni(far, "status", "demo").out


def test_a_fault_and_a_struct_without_code_are_failures(far: Foreign) -> None:
    fault = b"<methodResponse><fault><value><struct><member><name>faultCode</name><value><int>1</int></value>"
    fault += b"</member><member><name>faultString</name><value>boo</value></member></struct></value></fault>"
    far.answers = {"GetVersion": fault + b"</methodResponse>"}
    assert "boo" in geni(far, "getversion", status=1).err


def test_nobody_there(wallet: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"https://localhost:{free.getsockname()[1]}"
        ran = run("geni", "getversion", "-a", url)
    assert ran.status == 8 and "refused" in ran.err
    assert run("geni", "getversion", "-a", "http://localhost").status == 2
    assert run("geni", "getversion", "-V", "2").status == 2


# ---- whom it trusts


def test_an_aggregate_that_others_vouch_for_is_not_talked_to(
    far: Foreign, wallet: Path, tmp_path: Path
) -> None:
    far.answers = {"GetVersion": {}}
    assert "not verified" not in geni(far, "getversion").err
    other = House(tmp_path / "other")
    other.found("other.example", ["localhost"])
    shutil.copy(next((other.folder / "roots").iterdir()), wallet / "roots.pem")
    asked = len(far.asked)
    ran = geni(far, "getversion", status=8)
    assert "is not whom it should be" in ran.err and "--roots" in ran.err and len(far.asked) == asked
    assert "is not verified" in geni(far, "getversion", "--no-verify").err


def test_an_address_of_ipv6_is_told_as_it_is_written(wallet: Path) -> None:
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as taken:
        url = f"https://[::1]:{taken.getsockname()[1]}"
    assert f"no answer from {url}:" in run("geni", "getversion", "-a", url).err


def test_an_aggregate_of_another_name_is_not_talked_to(far: Foreign, wallet: Path) -> None:
    ran = run("geni", "getversion", "-a", f"https://127.0.0.1:{far.port}")
    assert ran.status == 8 and "is not whom it should be" in ran.err and far.asked == []


def test_without_roots_it_says_that_nothing_was_verified(far: Foreign, wallet: Path) -> None:
    (wallet / "roots.pem").unlink()
    far.answers = {"GetVersion": {}}
    assert "is not verified: --roots names who vouches for it" in geni(far, "getversion").err


def test_a_client_whom_nobody_vouches_for_is_told_so(far: Foreign, tmp_path: Path) -> None:
    other = House(tmp_path / "other")
    other.found("other.example", ["localhost"])
    made = other.user("carol", Life.of(USER_LIFE))
    ran = geni(far, "getversion", "--cert", str(made.identity), status=8)
    assert "must trust the authority" in ran.err


def test_what_may_not_be_looked_at_is_told(wallet: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the clearing house's folder, by who is not root. Here a file is in a folder's place."""
    (wallet / "file").touch()
    monkeypatch.setenv("NM_GENI_WALLET", str(wallet / "file" / "deep"))
    monkeypatch.setenv("NM_GENI_FOLDER", str(wallet / ("x" * 300)))
    assert run("geni", "getversion").status == 2
    for words in (("list",), ("user", "bob"), ("slice", "other")):
        ran = run("geni", *words)
        assert ran.status == 7 and "File name too long" in ran.err, ran


def test_a_missing_or_damaged_wallet_is_told(far: Foreign, wallet: Path) -> None:
    path = wallet / "identity.pem"
    path.write_bytes(path.read_bytes()[:600])
    assert "holds no certificate with its key" in geni(far, "getversion", status=2).err
    path.unlink()
    assert "is not there" in geni(far, "getversion", status=2).err
