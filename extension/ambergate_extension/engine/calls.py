"""The system calls that an engine worker makes once it has started: files, memory, threads and time.

Recorded with strace over queries, spilling, cohort tables and errors, with the calls beside them that the C library
takes in their place. No socket, no new process or program, no signal to others: there is nothing to permit them for.
"""

from __future__ import annotations

from collections.abc import Mapping

# name: (x86-64, 64-bit ARM; None where that machine does not have the call)
_CALLS: Mapping[str, tuple[int, int | None]] = {
    # files
    "read": (0, 63), "write": (1, 64), "readv": (19, 65), "writev": (20, 66), "pread64": (17, 67),
    "pwrite64": (18, 68), "preadv": (295, 69), "pwritev": (296, 70), "preadv2": (327, 286), "pwritev2": (328, 287),
    "open": (2, None), "openat": (257, 56), "close": (3, 57), "lseek": (8, 62), "fcntl": (72, 25), "flock": (73, 32),
    "dup": (32, 23), "dup2": (33, None), "dup3": (292, 24), "stat": (4, None), "fstat": (5, 80), "lstat": (6, None),
    "newfstatat": (262, 79), "statx": (332, 291), "statfs": (137, 43), "fstatfs": (138, 44), "access": (21, None),
    "faccessat": (269, 48), "faccessat2": (439, 439), "readlink": (89, None), "readlinkat": (267, 78),
    "getdents64": (217, 61), "getcwd": (79, 17), "fsync": (74, 82), "fdatasync": (75, 83),
    "sync_file_range": (277, 84), "ftruncate": (77, 46), "fallocate": (285, 47), "fadvise64": (221, 223),
    "copy_file_range": (326, 285), "mkdir": (83, None), "mkdirat": (258, 34), "rmdir": (84, None),
    "unlink": (87, None), "unlinkat": (263, 35), "rename": (82, None), "renameat": (264, 38), "renameat2": (316, 276),
    "umask": (95, 166), "utimensat": (280, 88), "pipe2": (293, 59), "eventfd2": (290, 19), "poll": (7, None),
    "ppoll": (271, 73), "epoll_create1": (291, 20), "epoll_ctl": (233, 21), "epoll_wait": (232, None),
    "epoll_pwait": (281, 22),
    # memory
    "mmap": (9, 222), "mprotect": (10, 226), "munmap": (11, 215), "mremap": (25, 216), "brk": (12, 214),
    "madvise": (28, 233), "msync": (26, 227), "mincore": (27, 232), "mlock": (149, 228), "munlock": (150, 229),
    "mlock2": (325, 284), "mbind": (237, 235), "get_mempolicy": (239, 236), "membarrier": (324, 283),
    # threads, signals to itself, time
    "futex": (202, 98), "futex_waitv": (449, 449), "set_robust_list": (273, 99), "set_tid_address": (218, 96),
    "rseq": (334, 293), "gettid": (186, 178), "getpid": (39, 172), "getppid": (110, 173), "exit": (60, 93),
    "exit_group": (231, 94), "tgkill": (234, 131), "rt_sigaction": (13, 134), "rt_sigprocmask": (14, 135),
    "rt_sigreturn": (15, 139), "sigaltstack": (131, 132), "restart_syscall": (219, 128), "sched_yield": (24, 124),
    "sched_getaffinity": (204, 123), "sched_getparam": (143, 121), "sched_getscheduler": (145, 120),
    "getpriority": (140, 141), "getcpu": (309, 168), "nanosleep": (35, 101), "clock_nanosleep": (230, 115),
    "clock_gettime": (228, 113), "clock_getres": (229, 114), "gettimeofday": (96, 169), "times": (100, 153),
    # what it is and may use
    "prctl": (157, 167), "arch_prctl": (158, None), "getrlimit": (97, 163), "getrusage": (98, 165),
    "sysinfo": (99, 179), "uname": (63, 160), "getuid": (102, 174), "geteuid": (107, 175), "getgid": (104, 176),
    "getegid": (108, 177), "getrandom": (318, 278),
}  # fmt: skip

PERMITTED: Mapping[str, tuple[int, ...]] = {
    "x86_64": tuple(here for here, _ in _CALLS.values()),
    "aarch64": tuple(here for _, here in _CALLS.values() if here is not None),
}
