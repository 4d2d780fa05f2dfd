"""What tests of slivers share with those of accounts."""

from tests.accounts.conftest import root

__all__ = ["root"]
