"""Storage that fails for a while: that says nothing of an image, so what was being made stops, and is made again."""

import errno

from pipeline.errors import UserError

_PASSING = {
    errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.ENOTCONN, errno.ECONNRESET, errno.ECONNABORTED, errno.EHOSTDOWN,
    errno.EHOSTUNREACH, errno.ENETDOWN, errno.ENETUNREACH, errno.ENETRESET,
    errno.EAGAIN, errno.EINTR, errno.EBUSY, errno.EMFILE, errno.ENFILE, errno.ENOMEM,
}  # fmt: skip


class StorageFails(UserError):
    """Files that cannot be read at this moment."""


def stop_if_passing(error: Exception, where: str) -> None:
    """Raise StorageFails, a UserError, for an error of the storage and not of the file: it is not recorded of an image."""
    if isinstance(error, OSError) and error.errno in _PASSING:
        raise StorageFails(
            f"{where} cannot be read at the moment ({error.strerror or error}).\nThat is the storage's fault, so "
            "nothing is recorded of it. Start the job again once it answers; where it stays so, copy the file again or remove it."
        ) from error
