"""Landlock: the kernel's own allowlist of paths, a second wall behind the mount view.

Source: https://docs.kernel.org/userspace-api/landlock.html (file system since ABI 1, TCP since 4, scopes since 6).
"""

import ctypes
import errno
import os
import stat
import struct
from collections.abc import Iterable

from mlintern.sandbox import kernel

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_TRUNCATE, _IOCTL_DEV = 1 << 14, 1 << 15
_FILE_RIGHTS = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEV
_ALL_TCP = 0b11
_ALL_SCOPES = 0b11  # abstract UNIX sockets, signals
_BITS = {1: 13, 2: 14, 3: 15, 4: 15}  # file system rights known to each ABI; 16 from ABI 5 on


def abi() -> int:
    """The kernel's Landlock ABI, 0 when there is none."""
    try:
        return kernel.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint(1), what="landlock")
    except OSError:
        return 0


def restrict(read: Iterable[str], write: Iterable[str], *, tcp: bool = False) -> int:
    """Holds this process and its children to these paths, without TCP unless asked; returns the ABI.

    `read` may be read and executed, `write` may be changed but not executed (a library there can still be loaded).
    A path that does not exist is left out. `no_new_privs` must be set. Restrictions add up: what an earlier call
    forbids stays forbidden. Raises OSError where the kernel has no Landlock.
    """
    version = abi()
    if version == 0:
        raise OSError(errno.ENOSYS, "the kernel has no Landlock (Linux 5.13 and later, CONFIG_SECURITY_LANDLOCK)")
    handled = (1 << _BITS.get(version, 16)) - 1
    fields = [handled]
    if version >= 4:
        fields.append(0 if tcp else _ALL_TCP)
    if version >= 6:
        fields.append(_ALL_SCOPES)
    attribute = struct.pack(f"{len(fields)}Q", *fields)
    size = ctypes.c_size_t(len(attribute))
    ruleset = kernel.syscall(_CREATE_RULESET, attribute, size, ctypes.c_uint(0), what="landlock_create_ruleset")
    reading = _EXECUTE | _READ_FILE | _READ_DIR
    # Names may be listed anywhere: the view decides what exists, and imports list the folders above a package.
    for rights, paths in ((_READ_DIR, ["/"]), (reading, read), (handled & ~_EXECUTE, write)):
        for path in paths:
            _allow(ruleset, path, rights & handled)
    kernel.syscall(_RESTRICT_SELF, ctypes.c_int(ruleset), ctypes.c_uint(0), what="landlock_restrict_self")
    os.close(ruleset)
    return version


def _allow(ruleset: int, path: str, rights: int) -> None:
    try:
        handle = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        if not stat.S_ISDIR(os.fstat(handle).st_mode):
            rights &= _FILE_RIGHTS
        rule = struct.pack("=Qi", rights, handle)
        kernel.syscall(
            _ADD_RULE, ctypes.c_int(ruleset), ctypes.c_int(1), rule, ctypes.c_uint(0), what=f"landlock rule for {path}"
        )
    finally:
        os.close(handle)
