"""These change the machine's own network, so they run in a VM only: make test-kernel."""

import os

if "NM_KERNEL" not in os.environ:
    collect_ignore_glob = ["test_*.py"]
