"""Who a container's processes are and what they may do, by its security context. Pure.

A user without a range of subordinate ids has one id in the cluster's namespaces. A container that is to run
as another gets a user namespace of its own, in which that one id has the number that was asked for.
Source: the Kubernetes API reference of v1.32, SecurityContext.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

Thing = Mapping[str, Any]
_NAMES: Final = (
    "CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID",
    "SETPCAP", "LINUX_IMMUTABLE", "NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW",
    "IPC_LOCK", "IPC_OWNER", "SYS_MODULE", "SYS_RAWIO", "SYS_CHROOT", "SYS_PTRACE", "SYS_PACCT",
    "SYS_ADMIN", "SYS_BOOT", "SYS_NICE", "SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "MKNOD", "LEASE",
    "AUDIT_WRITE", "AUDIT_CONTROL", "SETFCAP", "MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG", "WAKE_ALARM",
    "BLOCK_SUSPEND", "AUDIT_READ", "PERFMON", "BPF", "CHECKPOINT_RESTORE",
)  # fmt: skip
_NUMBERS: Final = {name: number for number, name in enumerate(_NAMES)}
"""Capabilities by name (linux/capability.h)."""
_USUAL: Final = frozenset((
    "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP", "NET_BIND_SERVICE",
    "NET_RAW", "SYS_CHROOT", "MKNOD", "AUDIT_WRITE", "SETFCAP",
))  # fmt: skip
"""What containers have where nothing else is said."""


class RefusedError(Exception):
    """A container may not run as it asks to; the message says why."""


class Rights(msgspec.Struct, frozen=True, kw_only=True):
    """Who a container's processes are, and what they may do."""

    user: int = 0
    group: int = 0
    capabilities: tuple[int, ...] = ()
    """Their numbers, ascending; those that a process of root has."""
    read_only: bool = False
    """Whether its root is."""
    no_new_privileges: bool = False


def rights_of(pod: Thing, container: Thing, user: int = 0, group: int = 0) -> Rights:
    """Return the rights of a container; `user` and `group` are its image's. Raises RefusedError."""
    whole, own = pod["spec"].get("securityContext") or {}, container.get("securityContext") or {}
    chosen = int(own.get("runAsUser", whole.get("runAsUser", user)))
    if own.get("runAsNonRoot", whole.get("runAsNonRoot")) and chosen == 0:
        raise RefusedError(
            f"container {container['name']} has runAsNonRoot and its image runs as root: say runAsUser"
        )
    return Rights(
        user=chosen,
        group=int(own.get("runAsGroup", whole.get("runAsGroup", group))),
        capabilities=_capabilities(own),
        read_only=bool(own.get("readOnlyRootFilesystem")),
        no_new_privileges=own.get("allowPrivilegeEscalation") is False,
    )


def _capabilities(context: Thing) -> tuple[int, ...]:
    if context.get("privileged"):
        return tuple(_NUMBERS.values())
    asked = context.get("capabilities") or {}
    drop = {_plain(name) for name in asked.get("drop") or ()}
    add = {_plain(name) for name in asked.get("add") or ()}
    if unknown := sorted((drop | add) - set(_NUMBERS) - {"ALL"}):
        raise RefusedError(f"unknown capability {', '.join(unknown)}")
    kept = set() if "ALL" in drop else set(_USUAL - drop)
    kept |= set(_NUMBERS) if "ALL" in add else add
    return tuple(sorted(_NUMBERS[name] for name in kept))


def _plain(name: str) -> str:
    return name.upper().removeprefix("CAP_")
