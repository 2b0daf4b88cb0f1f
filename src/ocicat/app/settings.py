"""Settings: one frozen tree, and where each value comes from.

A value is taken from the flag, else from the environment, else from the file, else it is the default. Each
attribute's docstring is its documentation: meaning, unit, what an empty value means. The path of an attribute
gives its other names: `agent.metrics_port` is `OCICAT_AGENT_METRICS_PORT`, and in the file

    agent:
      metrics_port: 9091
"""

import ast
import inspect
from collections.abc import Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, get_type_hints

import msgspec
import yaml

from ocicat.base.errors import OcicatError
from ocicat.cluster.pods.network import NODES_AT_MOST
from ocicat.model.net import NetError, Prefix

ENVIRONMENT_PREFIX: Final = "OCICAT_"
HOME_VARIABLE: Final = "OCICAT_HOME"
FILE_NAME: Final = "config.yaml"


class SettingsError(OcicatError, ValueError):
    """A setting has a value that it cannot have, or does not exist. The message names both."""


class Denial(StrEnum):
    """What happens to a denied packet."""

    DROP = "drop"
    REJECT = "reject"


class ServicesMode(StrEnum):
    """Who translates the addresses of Services."""

    AUTO = "auto"
    ON = "on"
    OFF = "off"


class HubAuth(StrEnum):
    """Whose tokens a hub takes."""

    TOKEN = "token"
    KUBERNETES = "kubernetes"


class AgentSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The node agent."""

    kubeconfig: str = ""
    """The kubeconfig of the cluster; empty for the service account of the agent's own pod."""
    context: str = ""
    """The context of the kubeconfig; empty for its current one."""
    node: str = ""
    """The name of the node that the agent runs on, as the cluster knows it. Must be set."""
    hub: str = ""
    """`host:port` of the flow API; empty for the Service `goldmane` in `calico-system`, port 7443."""
    tls_ca: str = ""
    """File with the certificates that sign the hub's; empty, as the next two, for plain text."""
    tls_certificate: str = ""
    """File with the agent's certificate."""
    tls_key: str = ""
    """File with the key of the agent's certificate."""
    tls_server_name: str = ""
    """The name in the hub's certificate; empty for the host of its address."""
    interface_prefix: str = "cali"
    """What the names of pods' interfaces begin with. Traffic of such an interface is dropped until the agent
    has programmed its pod."""
    denial: Denial = Denial.DROP
    """`drop` or `reject`. A rejected client fails at once, and the node answers packets that it refuses."""
    cut_refused: bool = False
    """Whether connections that policy allowed once and refuses now are ended after a change. Otherwise, as
    with Calico, what is established goes on."""
    services: ServicesMode = ServicesMode.AUTO
    """Whether the agent translates the addresses of Services: `on`, `off`, or `auto`, which is on while
    the node has no chains of a kube-proxy."""
    pod_nets: str = ""
    """Networks of pods, separated by commas. What a pod sends elsewhere leaves the node with the node's
    address; without any network it keeps its own. Only where the agent translates Services."""
    account_flows: bool = True
    """Whether connections are counted and flow records sent. Policy is enforced either way."""
    metrics_port: int = 9091
    """Port on the loopback for Prometheus; 0 for none."""
    queue_records: int = 50_000
    """Flow records that wait for a hub that is away; beyond that they are merged, then counted as lost."""
    verify_interval_s: float = 60.0
    """Seconds between comparisons of the kernel's ruleset with what was programmed; 0 for never."""

    def __post_init__(self) -> None:
        """Refuse what no agent can work with. Raises ValueError."""
        if not 1 <= len(self.interface_prefix) <= 14 or not self.interface_prefix.isascii():
            raise ValueError("interface_prefix must have 1 to 14 ASCII characters")
        if not 0 <= self.metrics_port <= 65535:
            raise ValueError("metrics_port must be 0 to 65535")
        if self.queue_records < 4:
            raise ValueError("queue_records must be 4 or more")
        try:
            _ = self.pod_prefixes
        except NetError as error:
            raise ValueError(f"pod_nets: {error}") from error

    @property
    def pod_prefixes(self) -> tuple[Prefix, ...]:
        """The networks of pods."""
        return tuple(Prefix.parse(text.strip()) for text in self.pod_nets.split(",") if text.strip())


class HubSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The hub: what takes flows, remembers them and shows them."""

    listen: str = "127.0.0.1:8081"
    """`host:port` of console and REST, or `unix:/path`; several are separated by commas. Beyond the loopback
    it needs a `token_file`, or `auth` by the cluster."""
    grpc: str = "127.0.0.1:7443"
    """`host:port` of the flow API, or `unix:/path`; several are separated by commas. Where a port is taken,
    another one is used. Beyond the loopback it needs the TLS files."""
    kubeconfig: str = ""
    """The kubeconfig of the cluster whose policies explain the flows; empty for the service account of the
    hub's own pod, or for none where it is in no pod."""
    context: str = ""
    """The context of the kubeconfig; empty for its current one."""
    allow_hosts: str = ""
    """Names beside localhost by which browsers may call the hub, separated by commas."""
    token_file: str = ""
    """File with the bearer token that every request but those for health must have; empty for none."""
    auth: HubAuth = HubAuth.TOKEN
    """Whose tokens are taken: `token` for the one of `token_file`, `kubernetes` for tokens of the cluster.
    Its users see the flows of the namespaces in which they may list network policies."""
    tls_ca: str = ""
    """File with the certificates that sign those of senders and readers of the flow API; empty, as the next
    two, for plain text."""
    tls_certificate: str = ""
    """File with the hub's certificate."""
    tls_key: str = ""
    """File with the key of the hub's certificate."""
    store: str = ""
    """The folder of the flow store; empty for `flows` in the state folder."""
    keep_hours: float = 168.0
    """Hours for which flows are kept: as they came for one to three hours, then summed into windows of 15 s,
    after a day of 5 min."""
    keep_bytes: int = 10_000_000_000
    """Bytes that the store may use; beyond, the oldest hours and days are forgotten. 0 for no bound."""
    otlp: str = ""
    """URL to which every flow is sent as an OpenTelemetry log, by OTLP over HTTP, such as
    `http://collector:4318/v1/logs`; empty for none. Headers come from OTEL_EXPORTER_OTLP_HEADERS."""
    from_goldmane: str = ""
    """`host:port` of a Goldmane whose flows are followed and stored; empty for none."""
    goldmane_ca: str = ""
    """File with the certificates that sign the Goldmane's; empty, as the next two, for plain text."""
    goldmane_certificate: str = ""
    """File with the certificate that the hub shows to the Goldmane."""
    goldmane_key: str = ""
    """File with the key of that certificate."""
    goldmane_server_name: str = ""
    """The name in the Goldmane's certificate; empty for the host of its address."""

    def __post_init__(self) -> None:
        """Refuse what no hub can work with. Raises ValueError."""
        if self.keep_hours <= 0:
            raise ValueError("keep_hours must be more than 0")
        if self.keep_bytes < 0:
            raise ValueError("keep_bytes must be 0 or more")


class UpSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The embedded cluster."""

    name: str = "default"
    """The name of the cluster: up to 40 small letters, digits and hyphens. Its folder has the same name."""
    nodes: int = 1
    """How many nodes it has."""
    port: int = 0
    """The API server's port on the loopback; 0 for the one of the last time, else 6443, else a free one."""
    console_port: int = 8081
    """The console's port on the loopback; 0 for a free one. Where it is taken, the cluster does not start."""
    demo: bool = False
    """Whether the catfacts application is put into the cluster."""
    internet: bool = False
    """Whether pods reach the real Internet (IPv4) beside the simulated network, over this machine's sockets.
    Needs `pasta`, Debian's package passt, which is fetched where it is not installed."""

    def __post_init__(self) -> None:
        """Refuse what no cluster can be. Raises ValueError."""
        plain = self.name.replace("-", "")
        if not (plain.isalnum() and self.name.isascii() and self.name == self.name.lower()):
            raise ValueError("name must be small letters, digits and hyphens")
        if len(self.name) > 40:
            raise ValueError("name must have 40 characters or less")
        if not 1 <= self.nodes <= NODES_AT_MOST:
            raise ValueError(f"nodes must be 1 to {NODES_AT_MOST}")
        for port in (self.port, self.console_port):
            if not 0 <= port <= 65535:
                raise ValueError("a port must be 0 to 65535")


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All settings."""

    home: str = "~/.local/state/ocicat"
    """The state folder: sockets, stores, certificates."""
    agent: AgentSettings = AgentSettings()
    """The node agent."""
    hub: HubSettings = HubSettings()
    """The hub."""
    up: UpSettings = UpSettings()
    """The embedded cluster."""

    @property
    def folder(self) -> Path:
        """The state folder, `~` filled in."""
        return Path(self.home).expanduser()


class Origin(StrEnum):
    """Where a value comes from."""

    FLAG = "flag"
    ENVIRONMENT = "environment"
    FILE = "file"
    DEFAULT = "default"


class Explained(msgspec.Struct, frozen=True):
    """One setting, as `ocicat config` prints it."""

    path: str
    """`agent.metrics_port`."""
    variable: str
    """`OCICAT_AGENT_METRICS_PORT`."""
    value: Any
    default: Any
    origin: Origin
    meaning: str
    """The docstring, on one line."""


class Settled(msgspec.Struct, frozen=True):
    """Settings with their origins."""

    settings: Settings
    origins: Mapping[str, Origin]
    """By path; what is not named is a default."""

    def explained(self) -> list[Explained]:
        """Return every setting with its value, origin and meaning, in the order of the tree."""
        return [
            Explained(
                path,
                variable(path),
                _at(self.settings, path),
                _at(_DEFAULTS, path),
                self.origins.get(path, Origin.DEFAULT),
                meaning,
            )
            for path, meaning in paths()
        ]


_DEFAULTS: Final = Settings()


def settled(flags: Mapping[str, Any], environment: Mapping[str, str], file: Path | None = None) -> Settled:
    """Return the settings.

    Args:
        flags: Values by path; None is a flag that was not given.
        environment: Variables.
        file: The file; None for `config.yaml` in the state folder, which need not exist.

    Raises:
        SettingsError: A value is not what its setting takes, or the file names a setting that does not exist.
    """
    given: dict[str, tuple[Any, Origin]] = {}
    known = dict(paths())
    for path in known:
        if (text := environment.get(variable(path))) is not None:
            given[path] = (text, Origin.ENVIRONMENT)
    given |= {path: (value, Origin.FLAG) for path, value in flags.items() if value is not None}
    home = given.get("home", (_DEFAULTS.home, Origin.DEFAULT))[0]
    source = file or Path(home).expanduser() / FILE_NAME
    for path, value in _of_file(source, must_exist=file is not None).items():
        if path not in known:
            raise SettingsError(f"{source}: there is no setting {path}")
        given.setdefault(path, (value, Origin.FILE))
    tree: dict[str, Any] = {}
    for path, (value, origin) in given.items():
        _check(path, value, origin)
        *groups, name = path.split(".")
        branch = tree
        for group in groups:
            branch = branch.setdefault(group, {})
        branch[name] = value
    try:
        settings = msgspec.convert(tree, Settings, strict=False)
    except msgspec.ValidationError as error:
        raise SettingsError(str(error)) from error
    return Settled(settings, {path: origin for path, (_, origin) in given.items()})


def _check(path: str, value: Any, origin: Origin) -> None:
    """Convert one value by itself, so that the message can name it as the user knows it."""
    *groups, name = path.split(".")
    owner: type = Settings
    for group in groups:
        owner = get_type_hints(owner)[group]
    try:
        msgspec.convert({name: value}, owner, strict=False)
    except msgspec.ValidationError as error:
        names = {
            Origin.FLAG: f"--{name.replace('_', '-')}",
            Origin.ENVIRONMENT: variable(path),
        }
        reason = str(error).partition(" - at ")[0]
        raise SettingsError(f"{names.get(origin, path)} ({value!r}): {reason}") from error


def variable(path: str) -> str:
    """Return the environment variable of a setting."""
    return ENVIRONMENT_PREFIX + path.replace(".", "_").upper()


def paths() -> Iterator[tuple[str, str]]:
    """Yield path and meaning of every setting, in the order of the tree."""
    yield from _paths(Settings, "")


def _paths(owner: type[msgspec.Struct], prefix: str) -> Iterator[tuple[str, str]]:
    meanings = _attribute_docstrings(owner)
    for name, kind in get_type_hints(owner).items():
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            yield from _paths(kind, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", meanings.get(name, "")


def _attribute_docstrings(owner: type) -> dict[str, str]:
    """Return the texts that stand below the attributes of a class in its source."""
    (definition,) = ast.parse(inspect.getsource(owner)).body
    found: dict[str, str] = {}
    last = ""
    for statement in getattr(definition, "body", ()):
        match statement:
            case ast.AnnAssign(target=ast.Name(id=name)):
                last = name
            case ast.Expr(value=ast.Constant(value=str(text))) if last:
                found[last] = " ".join(text.split())
                last = ""
            case _:
                last = ""
    return found


def _of_file(path: Path, *, must_exist: bool) -> dict[str, Any]:
    """Return the values of a file by path."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        if must_exist:
            raise SettingsError(f"{path}: there is no such file") from None
        return {}
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}") from error
    try:
        tree = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise SettingsError(f"{path}: {error}") from error
    if tree is None:
        return {}
    if not isinstance(tree, dict):
        raise SettingsError(f"{path}: settings are a map, by group and name")
    return dict(_flat(tree, ""))


def _flat(tree: Mapping[Any, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for name, value in tree.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _at(tree: Any, path: str) -> Any:
    for name in path.split("."):
        tree = getattr(tree, name)
    return tree
