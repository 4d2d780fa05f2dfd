"""nmd, the main program: options, the lock, signals, readiness, the order of start and stop.

flock on the lock file decides that there is one nmd; python-daemon with lockfile's pid file serves
--daemonize, and a pid file that a dead nmd left behind is broken while the flock is held.
"""

import argparse
import contextlib
import fcntl
import logging
import os
import signal
import socket
import sys
import time
from dataclasses import replace
from pathlib import Path

import daemon
from lockfile.pidlockfile import PIDLockFile

import nm
from nm import config as configuration
from nm import logs
from nm.config import Config, ConfigError
from nm.errors import Conflict, NMError
from nm.firststart import first_site
from nm.service import Service, public_folder

log = logging.getLogger("nm.daemon")

STOP = (signal.SIGTERM, signal.SIGINT)
HANDLED = {*STOP, signal.SIGHUP, signal.SIGUSR2}
DRAIN = 60.0  # seconds that workers get to end what they are at
GENERAL, CONFIG_BAD, BUSY = 1, 3, 6  # exit statuses
DESCRIPTION = (
    "The daemon of nm, a node manager: it hands out isolated slices of real machines. "
    "It stays in the foreground unless told otherwise, and tells systemd when it is ready."
)
SIGNALS = (
    "Signals: TERM and INT end it, HUP reads the configuration anew (all of it or nothing), "
    "USR2 opens the log file anew."
)
STATUSES = "Exit status: 0 ended when told to, 1 general, 2 usage, 3 configuration, 6 another nmd runs."


class AnotherRuns(Conflict):
    """Another nmd holds the lock. Trying again is of no use, as it is with a port that is taken for now."""


def main(arguments: list[str] | None = None) -> int:
    """Run nmd; the exit status."""
    options = parser().parse_args(arguments)
    try:
        config = _config(options)
        if options.check_config:
            print(f"{options.config or configuration.DEFAULT_PATH}: the configuration is good")
            return 0
        lock = _lock(Path(config.daemon.lock))
        options.site = first_site(config, options.init) if options.init else None
        if options.daemonize:
            return _daemonized(config, options, lock)
        _write_pid(lock)
        return run(config, options, log_file=config.daemon.log if options.log else "")
    except NMError as error:
        print(
            f"nmd: {error.message}",
            *([f"hint: {error.hint}"] if error.hint else []),
            sep="\n",
            file=sys.stderr,
        )
        if isinstance(error, ConfigError):
            return CONFIG_BAD
        return BUSY if isinstance(error, AnotherRuns) else GENERAL


def parser() -> argparse.ArgumentParser:
    """The parser of nmd's command line."""
    found = argparse.ArgumentParser(prog="nmd", description=DESCRIPTION, epilog=f"{SIGNALS} {STATUSES}")
    found.add_argument(
        "--config", metavar="FILE", help=f"configuration (default: {configuration.DEFAULT_PATH})"
    )
    found.add_argument(
        "--check-config", action="store_true", help="read the configuration, say what is wrong with it, end"
    )
    found.add_argument("--database", metavar="FOLDER", help="folder of the database, made when absent")
    found.add_argument(
        "-s",
        "--startup",
        action="store_true",
        help="start the head nodes of all groups, and slivers, one by one (done unasked after a reboot)",
    )
    found.add_argument(
        "--init",
        metavar="PATH",
        help="on the first start, when there is no database yet: import this site file or folder",
    )
    found.add_argument("-d", "--daemonize", action="store_true", help="go into the background once ready")
    found.add_argument(
        "--log", action="store_true", help="log to the configured file, not to stderr (implied by -d)"
    )
    found.add_argument("--version", action="version", version=f"nmd {nm.__version__}")
    return found


def _config(options: argparse.Namespace) -> Config:
    if options.config:
        options.config = os.path.abspath(options.config)  # --daemonize goes to /
    found = configuration.load(options.config)
    return _with_database(found, os.path.abspath(options.database)) if options.database else found


def _with_database(config: Config, folder: str) -> Config:
    return replace(config, daemon=replace(config.daemon, database=folder))


def _lock(path: Path) -> int:
    """Hold the lock file; AnotherRuns when another nmd does. The kernel lets go of it at any death.

    Who may open the file may lock it, and so keep nmd from starting: so nobody else may.
    """
    public_folder(path.parent)
    lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    os.fchmod(lock, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        owner = os.read(lock, 32).decode(errors="replace").strip()
        os.close(lock)
        raise AnotherRuns(
            f"nmd runs already (pid {owner or 'unknown'})", f"stop it, or use another daemon.lock than {path}"
        ) from None
    return lock


def _write_pid(lock: int) -> None:
    """For people: who holds the lock."""
    os.ftruncate(lock, 0)
    os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)


# ---- in the background


def _daemonized(config: Config, options: argparse.Namespace, lock: int) -> int:
    """Detach by python-daemon. The first process stays until the daemon is ready or has failed."""
    ready, tell = os.pipe()
    if child := os.fork():
        os.close(tell)
        os.waitpid(child, 0)
        if os.read(ready, 1) == b"1":
            return 0
        print(f"nmd: could not start; {config.daemon.log or 'the log'} tells why", file=sys.stderr)
        return GENERAL
    os.close(ready)
    pid_file = PIDLockFile(config.daemon.pid_file)
    pid_file.break_lock()  # the flock is ours, so whoever left it there is dead
    public_folder(Path(config.daemon.pid_file).parent)
    context = daemon.DaemonContext(
        pidfile=pid_file, files_preserve=[lock, tell], umask=0o022, working_directory="/", signal_map={}
    )
    with context:
        _write_pid(lock)
        return run(config, options, log_file=config.daemon.log, ready=lambda: _told(tell))


def _told(tell: int) -> None:
    os.write(tell, b"1")
    os.close(tell)


# ---- the main loop


def run(config: Config, options: argparse.Namespace, log_file: str = "", ready: object = None) -> int:
    """Start everything, serve until told to stop."""
    signal.pthread_sigmask(signal.SIG_BLOCK, HANDLED)
    sys.setswitchinterval(0.001)  # seconds; turns of the default 5 ms add up when many clients ask at once
    try:
        logger = logs.start(log_file, config.daemon.log_level)
    except OSError as error:
        raise ConfigError(
            f"cannot log to {log_file}: {error.strerror}", "set daemon.log to a file that can be written"
        ) from None
    try:
        service = Service(config, logger.guard.hide, options.startup, options.site)
    except NMError as error:
        log.error("could not start", extra={"why": str(error)})
        raise
    try:
        _start(service)
        log.info("ready", extra={"version": nm.__version__, "database": config.daemon.database})
        notify("READY=1")
        if options.init and options.site is None:
            log.info("there is a database already, --init imports nothing", extra={"init": options.init})
        if callable(ready):
            ready()
        _serve(service, config, options.config, logger)
    finally:
        notify("STOPPING=1")
        drained = service.stop(DRAIN)
        log.info("stopped", extra={"drained": drained})
        logger.close()
    return 0


def _start(service: Service) -> None:
    try:
        service.start()
    except NMError as error:
        log.error("could not start", extra={"why": str(error)})
        raise


def _serve(service: Service, config: Config, config_file: str | None, logger: logs.Log) -> None:
    """Wait for signals; between them tell the watchdog that the database's lock can be had."""
    pause = min(int(os.environ.get("WATCHDOG_USEC", "0")) / 3e6 or 5.0, 5.0)
    while True:
        caught = signal.sigtimedwait(HANDLED, pause)
        service.database.lock_holds()
        notify("WATCHDOG=1")
        if caught is None:
            continue
        if caught.si_signo in STOP:
            log.info("asked to stop", extra={"signal": signal.Signals(caught.si_signo).name})
            return
        if caught.si_signo == signal.SIGUSR2:
            logger.reopen()
            log.info("log opened anew")
        else:
            config = _reload(service, config, config_file, logger)


def _reload(service: Service, old: Config, config_file: str | None, logger: logs.Log) -> Config:
    """All of the new configuration or none of it."""
    notify(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")
    try:
        new = _with_database(configuration.load(config_file), old.daemon.database)
        if fixed := configuration.differences(old, new).restart:
            raise ConfigError(f"{', '.join(fixed)} cannot change while nmd runs", "restart nmd")
        service.reload(new)
    except NMError as error:
        log.error("configuration not reloaded", extra={"why": str(error)})
        new = old
    else:
        logger.set_level(new.daemon.log_level)
        log.info("configuration reloaded")
    notify("READY=1")
    return new


def notify(message: str) -> None:
    """Tell systemd, when it asked for it (sd_notify(3): a datagram to $NOTIFY_SOCKET).

    A systemd that is gone or does not listen is not waited for: nmd serves all the same.
    """
    address = os.environ.get("NOTIFY_SOCKET")
    if address:
        with (
            contextlib.suppress(OSError),
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as door,
        ):
            door.settimeout(1.0)
            door.connect("\0" + address[1:] if address.startswith("@") else address)
            door.sendall(message.encode())


if __name__ == "__main__":
    sys.exit(main())
