"""A pod's sandbox: its namespaces, its links and addresses, and the files that its containers share."""

import shutil
from pathlib import Path
from typing import Any, Final

import msgspec
import structlog

from ocicat.cluster.client import ApiError
from ocicat.cluster.pods import mounted, network
from ocicat.cluster.pods.context import NodeContext, Thing
from ocicat.cluster.pods.environment import Given, MissingError, Sources, expanded, references
from ocicat.cluster.pods.etcfiles import hosts_file, resolver_file
from ocicat.cluster.pods.volumes import (
    TOKEN_S,
    Credentials,
    account_files,
    tokens_wanted,
    volume_files,
)
from ocicat.cluster.resources.claims import node_of

log: Final = structlog.get_logger("ocicat.node")
SYSTEM_NAMESPACES: Final = ("calico-system", "kube-system")
_ACCOUNT: Final = "/var/run/secrets/kubernetes.io/serviceaccount"
_FROM_THE_CLUSTER: Final = ("configMap", "secret", "downwardAPI", "projected")
"""Volumes that hold what the cluster says, and that containers only read."""
_RENEWED: Final = 0.8
"""The part of a token's life after which it is renewed."""
Bind = tuple[str, str, bool]


def host_path(host: Path, volume: Thing) -> Path:
    """Return the place of a `hostPath` volume, below `host`: a pod sees no other files of its node.

    Raises MissingError: it is to be there and is not, or leads out of `host`.
    """
    wanted, kind = str(volume["hostPath"]["path"]), volume["hostPath"].get("type") or ""
    if ".." in Path(wanted).parts:
        raise MissingError(f"volume {volume['name']}: the hostPath {wanted} must not contain ..")
    place = within(host, wanted.lstrip("/"), volume["name"])
    if kind in ("", "DirectoryOrCreate"):
        place.mkdir(parents=True, exist_ok=True)
    elif kind == "FileOrCreate":
        place.parent.mkdir(parents=True, exist_ok=True)
        place.touch()
    elif not place.exists():
        raise MissingError(f"volume {volume['name']}: the node has no {kind} {wanted}")
    return place


def within(folder: Path, path: str, volume: str) -> Path:
    """Return a path below a folder, links resolved. Raises MissingError where they lead out of it."""
    found = (folder / path).resolve()
    if not found.is_relative_to(folder.resolve()):
        raise MissingError(f"volume {volume}: {path} leads out of it")
    return found


class Sandbox:
    """Where one pod runs. Make it with `set_up`, and take it away with `tear_down`."""

    def __init__(self, node: NodeContext, pod: Thing, *, stands: bool = False) -> None:
        """Prepare the sandbox of a pod; nothing is made yet.

        Args:
            node: Where it is.
            pod: What the API says of the pod.
            stands: Whether an earlier process of this node has made its namespaces.
        """
        self._node: Final = node
        self._pod = pod
        self.uid: Final[str] = pod["metadata"]["uid"]
        self.folder: Final[Path] = node.folder / "pods" / self.uid
        self.on_host: Final = bool(pod["spec"].get("hostNetwork"))
        self.addresses: tuple[str, ...] = ()
        self._sources: Sources = {}
        self._own: tuple[str, str] | None = None
        self._tokens: Final[dict[tuple[str, int], tuple[str, int]]] = {}
        """Tokens, and when they are to be renewed, by audience and life."""
        self.stands = stands and self._reclaimed()
        """Whether its namespaces are there."""

    def _reclaimed(self) -> bool:
        """Take the addresses that the pod has already; false where it can have none of them."""
        rows = (self._pod.get("status") or {}).get("podIPs") or ()
        wanted = tuple(row["ip"] for row in rows)
        if not wanted:
            return False
        try:
            self._own = self._node.take_addresses(wanted)
        except ValueError:
            return False
        return True

    @property
    def space(self) -> str:
        """The name of its namespaces at the holder."""
        return self._node.name if self.on_host else self.uid

    @property
    def hostname(self) -> str:
        """The pod's host name, at most the 63 bytes that the kernel takes; its node's where it is there."""
        if self.on_host:
            return self._node.name
        return str(self._pod["spec"].get("hostname") or self._pod["metadata"]["name"])[:63]

    async def set_up(self) -> None:
        """Make namespaces, link and addresses, where they are not there. Raises HolderError."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if self.on_host:
            self.addresses = self._node.place.addresses
            return
        if not self.stands:
            await self._make()
        self.addresses = self._own or ()

    async def _make(self) -> None:
        holding, interface = self._node.holding, network.interface_of(self.uid)
        if self._own is None:
            self._own = self._node.take_addresses()
        self._node.programmed.expect(interface)
        try:
            # One that is left over from an earlier process of this node is of no use.
            await holding.drop(self.uid)
            await holding.space(self.uid, kept=True)
            await holding.sysctl(self.uid, network.LEAF)
            path = await holding.path(self.uid)
            await self._batch(self._node.name, network.pod_outside_lines(interface, path, self._own))
            await holding.sysctl(self._node.name, network.pod_outside_settings(interface))
            await self._batch(self.uid, network.pod_inside_lines(self._own))
        except BaseException:
            await self.tear_down(keep=True)
            raise
        self.stands = True

    async def programmed(self, seconds: float) -> None:
        """Return when the node lets the pod's packets through as policy says, or after so many seconds."""
        interface = network.interface_of(self.uid)
        if not self.on_host and not await self._node.programmed.wait(interface, seconds):
            log.warning("pod.not_programmed", pod=self._pod["metadata"]["name"], waited_s=seconds)

    async def _batch(self, space: str, lines: list[str]) -> None:
        await self._node.holding.run(space, "ip", "-batch", "-", stdin="\n".join(lines) + "\n")

    async def tear_down(self, *, keep: bool = False) -> None:
        """Take everything away, with the files unless they are to be kept."""
        if self._own is not None:
            self._node.programmed.forget(network.interface_of(self.uid))
            await self._node.holding.drop(self.uid)
            self.stands = False
            self._node.give_back(self._own)
            self._own = None
        if not keep:
            shutil.rmtree(self.folder, ignore_errors=True)

    # --- files ----------------------------------------------------------------------------------------------

    @property
    def given(self) -> Given:
        """What values are taken from, as it was last read."""
        node = self._node
        return Given(
            pod=self._pod,
            sources=self._sources,
            addresses=self.addresses,
            host_addresses=node.place.addresses,
            capacity=node.capacity,
        )

    def update(self, pod: Thing) -> None:
        """Take note of what the API now says of the pod."""
        self._pod = pod

    async def read_sources(self) -> None:
        """Read the ConfigMaps and Secrets that the pod names. Raises ApiError, UnreachableError."""
        plural = {"ConfigMap": "configmaps", "Secret": "secrets"}
        space = self._pod["metadata"]["namespace"]
        found: dict[tuple[str, str], Thing] = {}
        for kind, name in references(self._pod):
            thing = await self._node.get(f"/api/v1/namespaces/{space}/{plural[kind]}/{name}")
            if thing is not None:
                found[kind, name] = thing
        self._sources = found

    def shared_files(self) -> list[Bind]:
        """Write /etc/hosts and the like; return where they are bound."""
        etc = self.folder / "etc"
        etc.mkdir(exist_ok=True)
        (etc / "hosts").write_text(hosts_file(self._pod, self.addresses, self.hostname))
        (etc / "resolv.conf").write_text(resolver_file(self._pod, self._node.resolver))
        (etc / "hostname").write_text(self.hostname + "\n")
        return [(str(etc / name), f"/etc/{name}", False) for name in ("hosts", "resolv.conf", "hostname")]

    async def volumes(self) -> dict[str, Path]:
        """Bring the pod's volumes and its account up to date; return their folders by name.

        Raises MissingError, ApiError, UnreachableError.
        """
        await self.read_sources()
        credentials = await self._credentials()
        found: dict[str, Path] = {}
        for volume in self._pod["spec"].get("volumes") or ():
            if "hostPath" in volume:
                found[volume["name"]] = host_path(self._node.folder / self._host_files, volume)
                continue
            if "persistentVolumeClaim" in volume:
                found[volume["name"]] = await self._claimed(volume["persistentVolumeClaim"]["claimName"])
                continue
            if not mounted.is_within(volume["name"]) or "/" in volume["name"]:
                raise MissingError(f"volume {volume['name']}: this is no name of a volume")
            folder = found[volume["name"]] = self.folder / f"volume-{volume['name']}"
            files = volume_files(self.given, volume, credentials)
            if files is None:
                folder.mkdir(exist_ok=True)
            else:
                mounted.write(folder, files)
        mounted.write(self.folder / "account", account_files(self.given, credentials))
        return found

    async def _claimed(self, name: str) -> Path:
        """Return the folder of a claim, made where it is not there. Raises MissingError, ApiError."""
        path = f"/api/v1/namespaces/{self._pod['metadata']['namespace']}/persistentvolumeclaims/{name}"
        try:
            claim: Any = msgspec.json.decode(await self._node.client.get(path))
        except ApiError as error:
            if error.code != 404:
                raise
            raise MissingError(f'persistentvolumeclaim "{name}" not found') from error
        if node_of(claim) != self._node.name:
            where = node_of(claim) or "no node yet: only a pod that is scheduled gives it one"
            raise MissingError(f'persistentvolumeclaim "{name}" is on {where}')
        folder = self._node.folder / "claims" / str(claim["metadata"]["uid"])
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    @property
    def _host_files(self) -> str:
        """The folder that is the node's root for `hostPath`: the system's pods have one of their own, since
        the hub's sockets are in it, and who may mount those reads everybody's flows.
        """
        return "system" if self._pod["metadata"]["namespace"] in SYSTEM_NAMESPACES else "host"

    @property
    def changes(self) -> bool:
        """Whether its volumes hold what may change in the API while it runs."""
        rows = self._pod["spec"].get("volumes") or ()
        return any(key in row for row in rows for key in _FROM_THE_CLUSTER)

    @property
    def renews(self) -> bool:
        """Whether a token of its is to be renewed."""
        return any(due_ns < self._node.timer.monotonic_ns() for _, due_ns in self._tokens.values())

    async def _credentials(self) -> Credentials:
        wanted = {("", TOKEN_S), *tokens_wanted(self._pod)}
        for key in wanted:
            if key not in self._tokens or self._tokens[key][1] < self._node.timer.monotonic_ns():
                good_ns = int(key[1] * _RENEWED * 1e9)
                self._tokens[key] = await self._token(*key), self._node.timer.monotonic_ns() + good_ns
        return Credentials({key: self._tokens[key][0] for key in wanted}, self._node.authority)

    async def _token(self, audience: str, life_s: int) -> str:
        metadata, spec = self._pod["metadata"], self._pod["spec"]
        account = spec.get("serviceAccountName") or "default"
        bound = {"apiVersion": "v1", "kind": "Pod", "name": metadata["name"], "uid": metadata["uid"]}
        wanted: dict[str, Any] = {"expirationSeconds": life_s, "boundObjectRef": bound}
        if audience:
            wanted["audiences"] = [audience]
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": wanted}
        path = f"/api/v1/namespaces/{metadata['namespace']}/serviceaccounts/{account}/token"
        answer: Any = msgspec.json.decode(await self._node.client.post(path, body))
        return str(answer["status"]["token"])

    def mounts(self, container: Thing, volumes: dict[str, Path], env: dict[str, str]) -> list[Bind]:
        """Return what is bound into a container beside the shared files; `env` is for subPathExpr.

        Raises MissingError: A mount names no volume, or leads out of it.
        """
        from_cluster = {
            row["name"]
            for row in self._pod["spec"].get("volumes") or ()
            if any(key in row for key in _FROM_THE_CLUSTER)
        }
        rows: list[Bind] = []
        for mount in container.get("volumeMounts") or ():
            name = mount["name"]
            if name not in volumes:
                raise MissingError(f"the pod has no volume {name}")
            source = volumes[name]
            if path := mount.get("subPath") or expanded(mount.get("subPathExpr") or "", env):
                source = within(source, path, name)
                if not source.exists():
                    source.mkdir(parents=True)
            rows.append(
                (str(source), mount["mountPath"], bool(mount.get("readOnly")) or name in from_cluster)
            )
        automatic = self._pod["spec"].get("automountServiceAccountToken", True)
        if automatic and not any(target == _ACCOUNT for _, target, _ in rows):
            rows.append((str(self.folder / "account"), _ACCOUNT, True))
        return rows
