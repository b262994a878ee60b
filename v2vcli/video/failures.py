"""FFmpeg's and the system's errors in one line of plain words."""

from __future__ import annotations

import errno
import os

import av

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def plain(error: BaseException) -> str:
    """What happened, in words fit for the end of a one-line message; no path, no ``[Errno ...]``."""
    number = getattr(error, "errno", None)
    if number == errno.ENOSPC:
        return "the disk is full"
    if number == errno.EDQUOT:
        return "the disk quota is used up"
    if number == errno.EFBIG:
        return "the file grew past the size limit"
    if isinstance(error, av.error.InvalidDataError):
        return "invalid data"
    if isinstance(number, int) and 0 < number < 200:
        return os.strerror(number).lower()
    return str(getattr(error, "strerror", None) or error).splitlines()[0] if str(error) else type(error).__name__


def is_fatal_for_output(error: BaseException) -> bool:
    """Whether writing on makes no sense: no room, no right, no device."""
    number = getattr(error, "errno", None)
    return number in (*_FULL, errno.EIO, errno.EACCES, errno.EROFS, errno.EPERM, errno.ENODEV)
