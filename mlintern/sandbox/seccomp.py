"""A seccomp filter: the system calls that training never needs and that an escape would start from.

It denies new namespaces, mounts, tracing, keyrings, io_uring, kernel modules, clocks, the scheduling and limits of
other processes and, unless there is a network, every socket that is not a UNIX one. A denied call fails with an errno,
as if the kernel lacked it, so that libraries fall back.
Source: https://docs.kernel.org/userspace-api/seccomp_filter.html; numbers: linux/arch/*/syscall tables.
"""

import ctypes
import errno
import struct

from mlintern.sandbox import kernel

_AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_X32_BIT = 0x40000000

# name: (x86_64, aarch64); None where the architecture has no such call
_DENIED: dict[str, tuple[int | None, int | None]] = {
    "acct": (163, 89),
    "add_key": (248, 217),
    "adjtimex": (159, 171),
    "bpf": (321, 280),
    "chroot": (161, 51),
    "clock_adjtime": (305, 266),
    "clock_settime": (227, 112),
    "delete_module": (176, 106),
    "fanotify_init": (300, 262),
    "finit_module": (313, 273),
    "init_module": (175, 105),
    "ioprio_set": (251, 30),
    "ioperm": (173, None),
    "iopl": (172, None),
    "kcmp": (312, 272),
    "kexec_file_load": (320, 294),
    "kexec_load": (246, 104),
    "keyctl": (250, 219),
    "memfd_create": (319, 279),
    "migrate_pages": (256, 238),
    "mknod": (133, None),
    "mknodat": (259, 33),
    "modify_ldt": (154, None),
    "mount": (165, 40),
    "move_pages": (279, 239),
    "mq_open": (240, 180),
    "msgget": (68, 186),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    "perf_event_open": (298, 241),
    "personality": (135, 92),
    "pivot_root": (155, 41),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "ptrace": (101, 117),
    "quotactl": (179, 60),
    "reboot": (169, 142),
    "request_key": (249, 218),
    "sched_setattr": (314, 274),
    "sched_setparam": (142, 118),
    "sched_setscheduler": (144, 119),
    "setdomainname": (171, 162),
    "sethostname": (170, 161),
    "setns": (308, 268),
    "settimeofday": (164, 170),
    "shmget": (29, 194),
    "swapoff": (168, 225),
    "swapon": (167, 224),
    "syslog": (103, 116),
    "umount2": (166, 39),
    "unshare": (272, 97),
    "userfaultfd": (323, 282),
    "vhangup": (153, 58),
}
_DENIED_EVERYWHERE = {  # one number on every architecture
    "io_uring_setup": 425,
    "io_uring_enter": 426,
    "io_uring_register": 427,
    "open_tree": 428,
    "move_mount": 429,
    "fsopen": 430,
    "fsconfig": 431,
    "fsmount": 432,
    "fspick": 433,
    "pidfd_getfd": 438,
    "process_madvise": 440,
    "mount_setattr": 442,
    "quotactl_fd": 443,
    "memfd_secret": 447,
}
_CLONE3 = 435
_PRLIMIT = {"x86_64": 302, "aarch64": 261}
_SETPRIORITY = {"x86_64": 141, "aarch64": 140}
_SOCKET = {"x86_64": 41, "aarch64": 198}
_CLONE = {"x86_64": 56, "aarch64": 220}
_IOCTL = {"x86_64": 16, "aarch64": 29}
_AF_UNIX, _AF_INET, _AF_INET6, _AF_NETLINK = 1, 2, 10, 16
_NETWORK_FAMILIES = (_AF_UNIX, _AF_INET, _AF_INET6, _AF_NETLINK)  # the last lists the interfaces, for gloo and NCCL
_TERMINAL_INPUT = (0x5412, 0x541C)  # TIOCSTI, TIOCLINUX: typing into the user's terminal

_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _ERRNO, _KILL_PROCESS = 0x7FFF0000, 0x00050000, 0x80000000
_NUMBER_AT, _ARCH_AT = 0, 4
_FIRST_ARGUMENT, _SECOND_ARGUMENT = 16, 24  # low words; both architectures are little-endian


def _step(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("HBBI", code, if_true, if_false, value)


def _deny(number: int, code: int = errno.EPERM) -> list[bytes]:
    return [_step(_EQUAL, number, 0, 1), _step(_RETURN, _ERRNO | code)]


def _own_alone(number: int, *arguments: int) -> list[bytes]:
    """Deny a call unless these arguments are zero, which mean the calling process: the supervisor, whose user is the
    same, could else be slowed until a fork bomb outruns it."""
    steps = [_step(_EQUAL, number, 0, 3 * len(arguments) + 1)]
    for at in arguments:
        steps += [_step(_LOAD, at), _step(_EQUAL, 0, 1, 0), _step(_RETURN, _ERRNO | errno.EPERM)]
    return [*steps, _step(_RETURN, _ALLOW)]


def program(machine: str, *, network: bool = False) -> list[bytes]:
    """The filter as BPF instructions for `x86_64` or `aarch64`; `network` allows TCP and UDP sockets."""
    column = 0 if machine == "x86_64" else 1
    steps = [
        _step(_LOAD, _ARCH_AT),
        _step(_EQUAL, _AUDIT_ARCH[machine], 1, 0),
        _step(_RETURN, _KILL_PROCESS),
        _step(_LOAD, _NUMBER_AT),
    ]
    if machine == "x86_64":
        steps += [_step(_AT_LEAST, _X32_BIT, 0, 1), _step(_RETURN, _ERRNO | errno.ENOSYS)]
    for numbers in _DENIED.values():
        number = numbers[column]
        if number is not None:
            steps += _deny(number)
    for number in _DENIED_EVERYWHERE.values():
        steps += _deny(number)
    steps += _deny(_CLONE3, errno.ENOSYS)  # its flags stand behind a pointer; libc falls back to clone
    steps += _own_alone(_PRLIMIT[machine], _FIRST_ARGUMENT)
    steps += _own_alone(_SETPRIORITY[machine], _FIRST_ARGUMENT, _SECOND_ARGUMENT)
    families = _NETWORK_FAMILIES if network else (_AF_UNIX,)
    steps += [  # a socket of another family
        _step(_EQUAL, _SOCKET[machine], 0, 3 + len(families)),
        _step(_LOAD, _FIRST_ARGUMENT),
        *(_step(_EQUAL, family, len(families) - place, 0) for place, family in enumerate(families)),
        _step(_RETURN, _ERRNO | errno.EAFNOSUPPORT),
        _step(_RETURN, _ALLOW),
        _step(_EQUAL, _CLONE[machine], 0, 4),
        _step(_LOAD, _FIRST_ARGUMENT),
        _step(_ANY_BIT, kernel.NAMESPACES, 0, 1),
        _step(_RETURN, _ERRNO | errno.EPERM),
        _step(_RETURN, _ALLOW),
        _step(_EQUAL, _IOCTL[machine], 0, 4),
        _step(_LOAD, _SECOND_ARGUMENT),
        _step(_EQUAL, _TERMINAL_INPUT[0], 1, 0),
        _step(_EQUAL, _TERMINAL_INPUT[1], 0, 1),
        _step(_RETURN, _ERRNO | errno.EPERM),
        _step(_RETURN, _ALLOW),
    ]
    return steps


def install(*, network: bool = False) -> None:
    """Puts the filter on this process and its children; raises OSError when kernel or architecture have none.

    `no_new_privs` must be set. Filters add up: what an earlier one denies stays denied.
    """
    machine = kernel.machine()
    if machine not in _AUDIT_ARCH:
        raise OSError(errno.ENOSYS, f"there is no seccomp filter for {machine}; it is written for x86_64 and aarch64")
    code = b"".join(program(machine, network=network))
    buffer = ctypes.create_string_buffer(code, len(code))
    # struct sock_fprog {unsigned short len; struct sock_filter *filter;} with the pointer aligned to 8 bytes
    head = struct.pack("HxxxxxxQ", len(code) // 8, ctypes.addressof(buffer))
    try:
        kernel.prctl(22, 2, ctypes.c_char_p(head))  # PR_SET_SECCOMP, SECCOMP_MODE_FILTER
    except OSError as error:
        raise OSError(error.errno, "the kernel has no seccomp filters (CONFIG_SECCOMP_FILTER)") from None
