"""Filters of system calls, as classic BPF programs: what a kernel has no use for, and all that an engine needs.

Written out by hand so that nothing must be compiled or installed: a filter is a list of 8-byte instructions
(seccomp(2), bpf(2) "classic"). Numbers are from Linux's syscall tables of the two supported machines. Denied calls
answer EPERM; `clone3` answers ENOSYS, so that libc falls back to `clone`, whose flags a filter can read.
"""

from __future__ import annotations

import errno
import platform
import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ambergate_policies.errors import OperatorError

Instruction = tuple[int, int, int, int]  # code, jump if true, jump if false, constant

_LOAD, _JUMP_EQUAL, _JUMP_GREATER_EQUAL, _JUMP_SET, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16  # offsets in struct seccomp_data; little endian machines only
_ALLOW, _KILL, _ERROR = 0x7FFF0000, 0x80000000, 0x00050000
_NEW_NAMESPACES = 0x7E020000  # CLONE_NEWNS | NEWCGROUP | NEWUTS | NEWIPC | NEWUSER | NEWPID | NEWNET
_TERMINAL_INJECTION = (0x5412, 0x541C)  # TIOCSTI, TIOCLINUX
_FAMILIES = (1, 2, 10)  # AF_UNIX, AF_INET, AF_INET6: the box's network name space has only `lo`
_NETLINK, _NETLINK_ROUTE = 16, 0  # libzmq aborts the process where it cannot ask for the interfaces


@dataclass(frozen=True, slots=True)
class Machine:
    """What differs between processors."""

    audit: int
    clone: int
    socket: int
    ioctl: int
    x32: bool
    denied: tuple[int, ...]
    absent: tuple[int, ...]
    prlimit: int
    shared: SharedHost


@dataclass(frozen=True, slots=True)
class SharedHost:
    """What is closed besides in a box that has only the host's own view. `denied`: connect, setsid, setpgid, the
    semaphores and queues that all processes share, ioprio_set, changing owners and attributes. `ignored`: changing
    modes and times, which Landlock does not restrict: nothing happens, as copying a file expects. `own`: scheduling,
    which changes nothing unless the argument at that position is 0, the caller itself: libzmq insists on success."""

    socketpair: int
    sendto: int
    sendmsg: int
    sendmmsg: int
    denied: tuple[int, ...]
    ignored: tuple[int, ...]
    own: tuple[tuple[int, int], ...]


_EVERYWHERE = (
    425,
    426,
    427,
    428,
    429,
    430,
    431,
    432,
    433,
    438,
    442,
    443,
)  # io_uring*, new mount API, pidfd_getfd, quotactl_fd
_MACHINES = {
    # ptrace, mount, umount2, pivot_root, chroot, unshare, setns, bpf, add_key, request_key, keyctl, perf_event_open,
    # userfaultfd, kexec*, *_module, swap*, reboot, acct, quotactl, process_vm_*, *_handle_at, syslog, kcmp,
    # fanotify_init, move_pages, vhangup (x86-64 also iopl, ioperm, modify_ldt); then memfd_create, shmget and msgget,
    # which hold memory that belongs to no process, so that nothing could count it; then prlimit64
    "x86_64": Machine(0xC000003E, 56, 41, 16, True, (
        101, 165, 166, 155, 161, 272, 308, 321, 248, 249, 250, 298, 323, 246, 320, 175, 313, 176, 167, 168, 169, 163,
        179, 310, 311, 303, 304, 103, 312, 300, 279, 153, 172, 173, 154), (319, 29, 68), 302, SharedHost(
        53, 44, 46, 307, (42, 112, 109, 64, 240, 251, 92, 93, 94, 260, 188, 189, 190, 197, 198, 199, 463, 466),
        (90, 91, 268, 452, 132, 235, 261, 280), ((203, 0), (144, 0), (142, 0), (314, 0), (141, 1)))),
    "aarch64": Machine(0xC00000B7, 220, 198, 29, False, (
        117, 40, 39, 41, 51, 97, 268, 280, 217, 218, 219, 241, 282, 104, 294, 105, 273, 106, 224, 225, 142, 89,
        60, 270, 271, 264, 265, 116, 272, 262, 239, 58), (279, 194, 186), 261, SharedHost(
        199, 206, 211, 269, (203, 157, 154, 190, 180, 30, 54, 55, 5, 6, 7, 14, 15, 16, 463, 466),
        (52, 53, 452, 88), ((122, 0), (119, 0), (118, 0), (274, 0), (140, 1)))),
}  # fmt: skip
_CLONE3, _MEMFD_SECRET = 435, 447
_NEW_THREAD = 0x00010000  # CLONE_THREAD
_TCGETS = 0x5401  # isatty(3)
_STREAM, _PACKETS = 1, 5  # SOCK_STREAM, SOCK_SEQPACKET
_FAST_OPEN = 0x20000000  # MSG_FASTOPEN: a message that connects


def program(machine: str = "", *, shared_host: bool = False) -> bytes:
    """The filter for this machine (or the named one). `shared_host`: for a box without a view of its own. Raises
    OperatorError for a processor we have no table for."""
    name = machine or platform.machine()
    if name not in _MACHINES:
        raise OperatorError(f"no system call filter for {name!r} processors: use x86_64 or aarch64")
    instructions = _filter(_MACHINES[name], shared_host)
    return b"".join(struct.pack("<HBBI", *instruction) for instruction in instructions)


def only(calls: Mapping[str, Sequence[int]], machine: str = "") -> bytes:
    """A filter that permits these calls (numbers by machine), threads but no processes, limits of the caller itself,
    and nothing else. Raises OperatorError for a processor we have no table for."""
    name = machine or platform.machine()
    if name not in calls or name not in _MACHINES:
        raise OperatorError(f"no system call filter for {name!r} processors: use x86_64 or aarch64")
    return b"".join(struct.pack("<HBBI", *instruction) for instruction in _only(_MACHINES[name], calls[name]))


def _only(machine: Machine, permitted: Sequence[int]) -> Iterable[Instruction]:
    allow = (_RETURN, 0, 0, _ALLOW)
    yield from _of(machine)
    for number in permitted:
        yield from _when(number, [allow])
    yield from _when(_CLONE3, [_error(errno.ENOSYS)])
    yield from _when(machine.clone, [
        _argument(0), (_JUMP_SET, 1, 0, _NEW_NAMESPACES), (_JUMP_SET, 1, 0, _NEW_THREAD), _error(errno.EPERM), allow
    ])  # fmt: skip
    yield from _when(machine.prlimit, [_argument(0), *_when(0, [allow]), _error(errno.EPERM)])
    yield from _when(machine.ioctl, [_argument(1), *_when(_TCGETS, [allow]), _error(errno.ENOTTY)])
    yield _error(errno.EPERM)


def _of(machine: Machine) -> Iterable[Instruction]:
    """Kill a process of another architecture, refuse x32; leaves the call's number loaded."""
    yield (_LOAD, 0, 0, _ARCHITECTURE)
    yield from _unless(machine.audit, [(_RETURN, 0, 0, _KILL)])
    yield (_LOAD, 0, 0, _NUMBER)
    if machine.x32:
        yield from ((_JUMP_GREATER_EQUAL, 0, 1, 0x40000000), _error(errno.EPERM))


def _filter(machine: Machine, shared_host: bool) -> Iterable[Instruction]:
    yield from _of(machine)
    if shared_host:
        yield from _on_a_shared_host(machine)
    for number in (*machine.denied, *_EVERYWHERE):
        yield from _when(number, [_error(errno.EPERM)])
    for number in (*machine.absent, _MEMFD_SECRET, _CLONE3):
        yield from _when(number, [_error(errno.ENOSYS)])
    yield from _when(machine.clone, [
        _argument(0), (_JUMP_SET, 0, 1, _NEW_NAMESPACES), _error(errno.EPERM), (_RETURN, 0, 0, _ALLOW)])  # fmt: skip
    injected = [step for request in _TERMINAL_INJECTION for step in _when(request, [_error(errno.EPERM)])]
    yield from _when(machine.ioctl, [_argument(1), *injected, (_RETURN, 0, 0, _ALLOW)])
    yield from _when(machine.socket, _socket_rule())
    yield (_RETURN, 0, 0, _ALLOW)


def _on_a_shared_host(machine: Machine) -> Iterable[Instruction]:
    """Landlock does not see sockets with a path, datagrams, TCP that opens with its first message, or what may be done
    to a file or process without opening it."""
    shared, allow = machine.shared, (_RETURN, 0, 0, _ALLOW)
    for number in shared.denied:
        yield from _when(number, [_error(errno.EPERM)])
    for number in shared.ignored:
        yield from _when(number, [_error(0)])
    for number, position in shared.own:
        yield from _when(number, [_argument(position), *_when(0, [allow]), _error(0)])
    yield from _when(machine.prlimit, [_argument(0), *_when(0, [allow]), _error(errno.EPERM)])
    streams = [_argument(1), (0x54, 0, 0, 0xF), *_when(_STREAM, [allow]), *_when(_PACKETS, [allow])]
    local = [*_when(1, [*streams, _error(errno.EAFNOSUPPORT)]), _error(errno.EAFNOSUPPORT)]
    yield from _when(machine.shared.socketpair, [_argument(0), *local])
    netlink = _when(_NETLINK, [_argument(2), *_when(_NETLINK_ROUTE, [allow]), _error(errno.EAFNOSUPPORT)])
    yield from _when(machine.socket, [_argument(0), *netlink, *local])
    for number, position in ((shared.sendto, 3), (shared.sendmsg, 2), (shared.sendmmsg, 3)):
        flagged = [_argument(position), (_JUMP_SET, 0, 1, _FAST_OPEN), _error(errno.EPERM), allow]
        yield from _when(number, flagged)


def _socket_rule() -> list[Instruction]:
    allow = [(_RETURN, 0, 0, _ALLOW)]
    known = [step for family in _FAMILIES for step in _when(family, allow)]
    netlink = _when(_NETLINK, [_argument(2), *_when(_NETLINK_ROUTE, allow)])
    return [_argument(0), *known, *netlink, _error(errno.EAFNOSUPPORT)]


def _when(value: int, then: list[Instruction]) -> list[Instruction]:
    """Run `then` if the loaded word equals `value`, else skip it."""
    return [(_JUMP_EQUAL, 0, len(then), value), *then]


def _unless(value: int, then: list[Instruction]) -> list[Instruction]:
    return [(_JUMP_EQUAL, len(then), 0, value), *then]


def _argument(position: int) -> Instruction:
    """Load the lower half of one argument: all that are judged here are C ints to the kernel."""
    return (_LOAD, 0, 0, _ARGUMENTS + 8 * position)


def _error(number: int) -> Instruction:
    return (_RETURN, 0, 0, _ERROR | number)
