"""Operations on the pool: switches, ports, trunks, hosts, nodes, VLANs, head nodes and images.

Pure, and called by doors through the table of methods: each operation takes a transaction (a read: a
Reader), the call, and the API method's arguments; it checks the right, then the values, then puts
records and tells events. Taking nodes back from groups (ReleaseNode) is nm.releases's.
"""

from nm.pool.headnodes import (
    clear_head_node,
    get_head_nodes,
    is_head_node,
    register_head_node,
    unregister_head_node,
    update_head_node,
)
from nm.pool.hosts import get_hosts, pin_host_key_of_host, register_host, unregister_host, update_host
from nm.pool.images import get_images, register_image, unregister_image
from nm.pool.nodes import (
    clear_node,
    connect_nic,
    get_nodes,
    register_node,
    unregister_node,
    update_node,
)
from nm.pool.switches import (
    adopt_ports,
    distrust,
    get_drivers,
    get_ports,
    get_switch_state,
    get_switches,
    inspect_switch,
    pin_host_key,
    register_port,
    register_switch,
    release_switch,
    replace_switch,
    reset_ports,
    unregister_port,
    unregister_switch,
    update_port,
    update_switch,
)
from nm.pool.trunks import get_trunks, register_trunk, unregister_trunk, update_trunk
from nm.pool.vlans import get_vlans, register_vlan, unregister_vlan, update_vlan

__all__ = [
    "adopt_ports",
    "clear_head_node",
    "clear_node",
    "connect_nic",
    "distrust",
    "get_drivers",
    "get_head_nodes",
    "get_hosts",
    "get_images",
    "get_nodes",
    "get_ports",
    "get_switch_state",
    "get_switches",
    "get_trunks",
    "get_vlans",
    "inspect_switch",
    "is_head_node",
    "pin_host_key",
    "pin_host_key_of_host",
    "register_head_node",
    "register_host",
    "register_image",
    "register_node",
    "register_port",
    "register_switch",
    "register_trunk",
    "register_vlan",
    "release_switch",
    "replace_switch",
    "reset_ports",
    "unregister_head_node",
    "unregister_host",
    "unregister_image",
    "unregister_node",
    "unregister_port",
    "unregister_switch",
    "unregister_trunk",
    "unregister_vlan",
    "update_head_node",
    "update_host",
    "update_node",
    "update_port",
    "update_switch",
    "update_trunk",
    "update_vlan",
]
