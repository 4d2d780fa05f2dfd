"""What tests of other folders have as well: a database, a PLC, a daemon."""

from tests.core.test_daemon import nmd
from tests.database.conftest import opener
from tests.plc.conftest import authority, plc, told

__all__ = ["authority", "nmd", "opener", "plc", "told"]
