import pytest

from nm.errors import DeviceFailed
from nm.hostnet import LinuxNetwork
from tests.hosts.rack.conftest import sh


def test_a_kernel_without_8021q_is_told_and_nothing_is_left() -> None:
    if sh("sh", "-c", "ip link add v0 link lo type vlan id 9 2>&1; ip link del v0 2>&1; true") == "":
        pytest.skip("this kernel has 802.1q")
    sh("ip", "link", "add", "trunk0", "type", "veth", "peer", "name", "trunk1")
    try:
        with pytest.raises(DeviceFailed, match="no links of kind vlan") as failure:
            LinuxNetwork("trunk0").make(101)
        assert not failure.value.passing
        assert "modprobe 8021q" in failure.value.hint
        assert "nmv101" not in sh("ip", "-o", "link")
        assert "nmbr101" not in sh("ip", "-o", "link")
    finally:
        sh("ip", "link", "del", "trunk0")
