"""Where a hub listens and whom it lets in, from its settings. One that all could read does not start."""

from collections.abc import Callable, Set
from pathlib import Path

from ocicat.api.door import ClusterDoor, Door, TokenDoor
from ocicat.api.web import Access, is_expected
from ocicat.app.settings import HubAuth, HubSettings
from ocicat.base.errors import OcicatError
from ocicat.ports.clock import Clock
from ocicat.ports.flowhub import FlowHub
from ocicat.ports.policyview import PolicyView
from ocicat.ports.reviewer import Reviewer


class HubStartError(OcicatError):
    """The hub cannot start: an address is taken, or it would be open to everybody."""


def several(addresses: str) -> tuple[str, ...]:
    """Return the addresses of a setting, which are separated by commas."""
    return tuple(address.strip() for address in addresses.split(",") if address.strip())


def is_unix(address: str) -> bool:
    """Tell whether an address is a Unix socket, `unix:/path`: whoever may open the file is trusted."""
    return address.startswith("unix:")


def host_and_port(address: str) -> tuple[str, int]:
    """Split `host:port`, `[v6]:port`. Raises HubStartError."""
    host, colon, port = address.rpartition(":")
    if not colon or not port.isdecimal() or int(port) > 65535:
        raise HubStartError(f"{address!r} is not host:port")
    return host.strip("[]"), int(port)


def check_exposure(settings: HubSettings) -> None:
    """Raise HubStartError for a hub that everybody on the network could read."""
    if settings.token_file or settings.auth is HubAuth.KUBERNETES:
        return
    if not all(is_expected(host) for host in _named(settings)):
        raise HubStartError(
            f"{settings.listen} can be reached from elsewhere: give a --token-file, say --auth kubernetes, "
            "or listen on 127.0.0.1"
        )


def _named(settings: HubSettings) -> frozenset[str]:
    addresses = (address for address in several(settings.listen) if not is_unix(address))
    return frozenset(host_and_port(address)[0] for address in addresses)


def access_of(
    settings: HubSettings, hub: FlowHub, policy: PolicyView, reviewer: Reviewer | None, clock: Clock
) -> Access:
    """Return who may ask. Raises HubStartError."""
    hosts = frozenset(name.strip() for name in settings.allow_hosts.split(",") if name.strip())
    return Access(hosts | _named(settings), _door(settings, _spaces(hub, policy), reviewer, clock))


def _door(
    settings: HubSettings, spaces: Callable[[], Set[str]], reviewer: Reviewer | None, clock: Clock
) -> Door:
    if settings.auth is HubAuth.KUBERNETES:
        if reviewer is None:
            raise HubStartError(
                "--auth kubernetes needs a cluster that knows the tokens: give a --kubeconfig"
            )
        if settings.token_file:
            raise HubStartError("with --auth kubernetes tokens are the cluster's: leave --token-file out")
        return ClusterDoor(reviewer, spaces, clock)
    return TokenDoor(_token(settings.token_file)) if settings.token_file else Door()


def _token(file: str) -> str:
    try:
        token = Path(file).expanduser().read_text(encoding="utf-8").strip()
    except OSError as error:
        raise HubStartError(f"{file}: {error.strerror}") from error
    if len(token) < 16:
        raise HubStartError(f"{file}: a token has 16 characters or more")
    return token


def _spaces(hub: FlowHub, policy: PolicyView) -> Callable[[], Set[str]]:
    """Return what tells the namespaces that flows and policies are of."""

    def spaces() -> Set[str]:
        keys = [variant.key for _, variant in hub.variants(lambda _variant: True)]
        found = {key.source_namespace for key in keys} | {key.dest_namespace for key in keys}
        plan = policy.plan()
        if plan is not None:
            found |= {entity.key.namespace for entity in plan.entities.values()}
            found |= {key.namespace for key in plan.policies}
        return found

    return spaces
