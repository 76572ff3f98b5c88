#!/usr/bin/env python3
"""Runs a program under what a systemd unit asks of the kernel, where no systemd
runs: confine.py UNIT COMMAND…, as root, /proc mounted, files arranged already.

Applied: User, CapabilityBoundingSet= (empty), NoNewPrivileges,
MemoryDenyWriteExecute, RestrictNamespaces, RestrictAddressFamilies,
SystemCallFilter. Mounts are the caller's. An option that is missing from the
unit is not applied.
"""
import ctypes
import errno
import os
import pwd
import socket
import subprocess
import sys

ALLOW, ERRNO = 0x7FFF0000, 0x00050000
EQUAL, MASKED_EQUAL = 4, 7  # scmp_compare
PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS, PR_SET_MDWE = 24, 38, 65
NAMESPACES = {"mnt": 0x20000, "cgroup": 0x2000000, "uts": 0x4000000, "ipc": 0x8000000,
              "user": 0x10000000, "pid": 0x20000000, "net": 0x40000000}

libc = ctypes.CDLL(None, use_errno=True)
seccomp = ctypes.CDLL("libseccomp.so.2")
seccomp.seccomp_init.restype = ctypes.c_void_p


class Comparison(ctypes.Structure):
    _fields_ = [("argument", ctypes.c_uint), ("operator", ctypes.c_int),
                ("a", ctypes.c_uint64), ("b", ctypes.c_uint64)]


class Filter:
    def __init__(self, default):
        self.context = ctypes.c_void_p(seccomp.seccomp_init(ctypes.c_uint32(default)))

    def rule(self, action, name, *comparisons):
        number = seccomp.seccomp_syscall_resolve_name(name.encode())
        if number < 0:
            return  # of another architecture or a newer kernel
        array = (Comparison * len(comparisons))(*comparisons)
        check(seccomp.seccomp_rule_add_array(self.context, ctypes.c_uint32(action), number,
                                             len(comparisons), array) == 0, name)

    def load(self):
        check(seccomp.seccomp_load(self.context) == 0, "seccomp_load")


def check(good, what):
    if not good:
        sys.exit(f"confine.py: {what} failed: {os.strerror(ctypes.get_errno())}")


def read_unit(path):
    options = {}
    with open(path, encoding="utf-8") as file:
        for line in file:
            key, equals, value = line.strip().partition("=")
            if equals and not key.startswith("#"):
                options.setdefault(key, []).append(value)
    return options


def call_groups():
    text = subprocess.run(["systemd-analyze", "syscall-filter", "--no-pager"], check=True,
                          capture_output=True, text=True).stdout
    groups, current = {}, None
    for line in text.splitlines():
        if line.startswith("@"):
            current = groups.setdefault(line.strip(), [])
        elif current is not None and line.startswith("    ") and not line.strip().startswith("#"):
            current.append(line.strip())
    return groups


def allowed_calls(lines):
    groups, allowed = call_groups(), set()

    def expand(word):
        if not word.startswith("@"):
            return {word}
        return set().union(*(expand(inner) for inner in groups[word]))

    for line in lines:
        calls = set().union(*(expand(word) for word in line.lstrip("~").split()))
        allowed = allowed - calls if line.startswith("~") else allowed | calls
    # systemd always allows what its own exec needs.
    return allowed | expand("@default") | {"execve"}


def restrictions(unit):
    """Filters on arguments, over a default of allowing."""
    result = Filter(ALLOW)
    if "RestrictNamespaces" in unit:
        words = unit["RestrictNamespaces"][0].split()
        for name, flag in NAMESPACES.items():
            if name not in words:
                for call in ("unshare", "clone"):
                    result.rule(ERRNO | errno.EPERM, call, Comparison(0, MASKED_EQUAL, flag, flag))
        result.rule(ERRNO | errno.ENOSYS, "clone3")
    if "RestrictAddressFamilies" in unit:
        names = unit["RestrictAddressFamilies"][0].split()
        families = {getattr(socket, name).value for name in names}
        for family in set(range(46)) - families:
            result.rule(ERRNO | errno.EAFNOSUPPORT, "socket", Comparison(0, EQUAL, family, 0))
    return result


def main():
    unit, command = read_unit(sys.argv[1]), sys.argv[2:]
    calls = allowed_calls(unit["SystemCallFilter"]) if "SystemCallFilter" in unit else None
    if unit.get("CapabilityBoundingSet") == [""]:
        for capability in range(64):
            libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)
    if unit.get("MemoryDenyWriteExecute") == ["yes"] and libc.prctl(PR_SET_MDWE, 1, 0, 0, 0) != 0:
        print("confine.py: this kernel has no PR_SET_MDWE; left out", file=sys.stderr)
    user = pwd.getpwnam(unit["User"][0])
    os.setgroups([])
    os.setresgid(user.pw_gid, user.pw_gid, user.pw_gid)
    os.setresuid(user.pw_uid, user.pw_uid, user.pw_uid)
    os.umask(0o077)
    if unit.get("NoNewPrivileges") == ["yes"]:
        check(libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0, "NoNewPrivileges")
    restrictions(unit).load()
    if calls is not None:
        only = Filter(ERRNO | errno.EPERM)
        for name in sorted(calls):
            only.rule(ALLOW, name)
        only.load()
    os.execv(command[0], command)


main()
