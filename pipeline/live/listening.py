"""Where the server listens: had at once, before anything that takes long, so that a port that is taken is said at once."""

import os
import socket

from pipeline.errors import UserError


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens there, on any free port where 0 is asked for. Raises UserError where it cannot be had."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        return socket.create_server(address[:2], family=family)
    except (OSError, UnicodeError) as error:
        number = error.errno if isinstance(error, OSError) and not isinstance(error, socket.gaierror) else None
        why = os.strerror(number) if number else str(error)
        raise UserError(
            f"Port {port} of {host} cannot be had ({why}).\n"
            "Take another `port`, or 0 for any that is free; `host` is a name or an address of this machine."
        ) from error
