"""The one address of a service: had at once, or refused with one line that says what to do."""

import errno
import os
import socket

BACKLOG = 2048


class CannotListenError(Exception):
    """The address cannot be had; one line that says what to do."""


def listen(host: str, port: int) -> socket.socket:
    """A listener that the processes started with its descriptor may share; raises `CannotListenError`."""
    is_ipv6 = ":" in host
    family = socket.AF_INET6 if is_ipv6 else socket.AF_INET
    is_dual = is_ipv6 and socket.has_dualstack_ipv6()
    try:
        listener = socket.create_server((host, port), family=family, backlog=BACKLOG, dualstack_ipv6=is_dual)
    except OSError as error:
        raise cannot_listen(host, port, error) from error
    listener.set_inheritable(True)
    return listener


def is_handed_over() -> bool:
    """Whether the listener is that of the process that started this one, in systemd's way or in gunicorn's."""
    by_systemd = "LISTEN_FDS" in os.environ and os.environ.get("LISTEN_PID") == str(os.getpid())
    return by_systemd or "GUNICORN_FD" in os.environ


def cannot_listen(host: str, port: int, error: OSError) -> CannotListenError:
    """Why an address cannot be had, and what to do."""
    if error.errno == errno.EADDRINUSE:
        return CannotListenError(
            f"port {port} on {host} is taken. Stop what listens there or choose another with --port"
        )
    if error.errno in (errno.EACCES, errno.EPERM):
        return CannotListenError(f"this user may not listen on port {port}. Choose one from 1024 up with --port")
    return CannotListenError(
        f"this machine cannot listen on {host} ({error.strerror}). Choose one of its addresses with --host"
    )
