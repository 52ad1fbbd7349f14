"""A port is had, or it is said why not."""

import pytest

from pipeline.errors import UserError
from pipeline.live.listening import listen


def test_0_is_any_free_port():
    with listen("127.0.0.1", 0) as one, listen("127.0.0.1", 0) as other:
        assert one.getsockname()[1] != other.getsockname()[1] and one.getsockname()[0] == "127.0.0.1"


def test_a_port_that_is_taken_is_said():
    with listen("127.0.0.1", 0) as one:
        port = one.getsockname()[1]
        with pytest.raises(
            UserError, match=f"Port {port} of 127.0.0.1 cannot be had .Address already in use.*\n.*or 0 for any"
        ):
            listen("127.0.0.1", port)


@pytest.mark.parametrize("host", ["192.0.2.1", "no.such.host.invalid", "a" * 70, "x..y"])
def test_a_host_that_is_none_of_this_machine_is_said(host):
    with pytest.raises(UserError, match=f"of {host} cannot be had"):
        listen(host, 0)
