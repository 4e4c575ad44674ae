"""Ports of loopback for servers that a test starts."""

import itertools
import os
import socket
from contextlib import suppress

# Below the ports that the kernel gives to outgoing connections (from 32,768 on Linux, from 49,152 on macOS): no
# connection of a test beside this one takes the port before the server listens on it.
_FIRST, _COUNT = 10_000, 22_000
# Every process begins elsewhere, so that tests that run side by side do not meet.
_numbers = itertools.count(os.getpid() * 997)


def a_free_port() -> int:
    """Return a port of loopback that nobody listens on, another one at each call."""
    while True:
        port = _FIRST + next(_numbers) % _COUNT
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
