"""What holds for all tests."""

import signal


def pytest_configure() -> None:
    """Ctrl-C works in what tests start, also where the tests themselves run in the background."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
