"""A pod's sandbox: its namespaces, its links and addresses, and the files that its containers share."""

import shutil
from pathlib import Path
from typing import Any, Final

import msgspec

from ocicat.cluster.pods import network
from ocicat.cluster.pods.context import NodeContext, Thing
from ocicat.cluster.pods.environment import (
    MissingError,
    Sources,
    hosts_file,
    references,
    resolver_file,
    volume_files,
)

_ACCOUNT: Final = "/var/run/secrets/kubernetes.io/serviceaccount"
_TOKEN_S: Final = 86400
Bind = tuple[str, str, bool]


def host_path(host: Path, volume: Thing) -> Path:
    """Return the place of a `hostPath` volume, below `host`: a pod sees no other files of its node.

    Raises MissingError: it is to be there and is not, or leads out of `host`.
    """
    wanted, kind = str(volume["hostPath"]["path"]), volume["hostPath"].get("type") or ""
    place = host / wanted.lstrip("/")
    if ".." in Path(wanted).parts:
        raise MissingError(f"volume {volume['name']}: the hostPath {wanted} must not contain ..")
    if kind in ("", "DirectoryOrCreate"):
        place.mkdir(parents=True, exist_ok=True)
    elif kind == "FileOrCreate":
        place.parent.mkdir(parents=True, exist_ok=True)
        place.touch()
    elif not place.exists():
        raise MissingError(f"volume {volume['name']}: the node has no {kind} {wanted}")
    return place


class Sandbox:
    """Where one pod runs. Make it with `set_up`, and take it away with `tear_down`."""

    def __init__(self, node: NodeContext, pod: Thing) -> None:
        """Prepare the sandbox of a pod; nothing is made yet."""
        self._node: Final = node
        self._pod: Final = pod
        self.uid: Final[str] = pod["metadata"]["uid"]
        self.folder: Final[Path] = node.folder / "pods" / self.uid
        self.on_host: Final = bool(pod["spec"].get("hostNetwork"))
        self.addresses: tuple[str, ...] = ()
        self.sources: Sources = {}
        self._own: tuple[str, str] | None = None

    @property
    def space(self) -> str:
        """The name of its namespaces at the holder."""
        return self._node.name if self.on_host else self.uid

    @property
    def hostname(self) -> str:
        """The pod's host name, at most the 63 bytes that the kernel takes."""
        return str(self._pod["spec"].get("hostname") or self._pod["metadata"]["name"])[:63]

    async def set_up(self) -> None:
        """Make namespaces, link and addresses. Raises HolderError."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if self.on_host:
            self.addresses = self._node.place.addresses
            return
        holding = self._node.holding
        self._own = self._node.take_addresses()
        try:
            await holding.space(self.uid)
            await holding.sysctl(self.uid, network.LEAF)
            interface = network.interface_of(self.uid)
            path = await holding.path(self.uid)
            await self._batch(self._node.name, network.pod_outside_lines(interface, path, self._own))
            await holding.sysctl(self._node.name, network.pod_outside_settings(interface))
            await self._batch(self.uid, network.pod_inside_lines(self._own))
        except BaseException:
            await self.tear_down(keep=True)
            raise
        self.addresses = self._own

    async def _batch(self, space: str, lines: list[str]) -> None:
        await self._node.holding.run(space, "ip", "-batch", "-", stdin="\n".join(lines) + "\n")

    async def tear_down(self, *, keep: bool = False) -> None:
        """Take everything away, with the files unless they are to be kept."""
        if self._own is not None:
            await self._node.holding.drop(self.uid)
            self._node.give_back(self._own)
            self._own = None
        if not keep:
            shutil.rmtree(self.folder, ignore_errors=True)

    # --- files ----------------------------------------------------------------------------------------------

    async def read_sources(self) -> None:
        """Read the ConfigMaps and Secrets that the pod names. Raises ApiError, UnreachableError."""
        plural = {"ConfigMap": "configmaps", "Secret": "secrets"}
        space = self._pod["metadata"]["namespace"]
        found: dict[tuple[str, str], Thing] = {}
        for kind, name in references(self._pod):
            thing = await self._node.get(f"/api/v1/namespaces/{space}/{plural[kind]}/{name}")
            if thing is not None:
                found[kind, name] = thing
        self.sources = found

    def shared_files(self) -> list[Bind]:
        """Write /etc/hosts and the like; return where they are bound."""
        etc = self.folder / "etc"
        etc.mkdir(exist_ok=True)
        (etc / "hosts").write_text(hosts_file(self._pod, self.addresses))
        (etc / "resolv.conf").write_text(resolver_file(self._pod, self._node.resolver))
        (etc / "hostname").write_text(self.hostname + "\n")
        return [(str(etc / name), f"/etc/{name}", False) for name in ("hosts", "resolv.conf", "hostname")]

    async def volumes(self) -> dict[str, Path]:
        """Write the pod's volumes and its account; return their folders by name.

        Raises MissingError, ApiError, UnreachableError.
        """
        token = await self._token()
        found: dict[str, Path] = {}
        for volume in self._pod["spec"].get("volumes") or ():
            if "hostPath" in volume:
                found[volume["name"]] = host_path(self._node.folder / "host", volume)
                continue
            files = volume_files(self._pod, volume, self.sources, self.addresses, token, self._node.authority)
            found[volume["name"]] = self._written(f"volume-{volume['name']}", files or {})
        self._written("account", self._account(token))
        return found

    def _account(self, token: str) -> dict[str, bytes]:
        space = self._pod["metadata"]["namespace"]
        return {"token": token.encode(), "ca.crt": self._node.authority.encode(), "namespace": space.encode()}

    def _written(self, name: str, files: dict[str, bytes]) -> Path:
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        for path, data in files.items():
            goal = folder / path
            goal.parent.mkdir(parents=True, exist_ok=True)
            goal.write_bytes(data)
        return folder

    async def _token(self) -> str:
        metadata, spec = self._pod["metadata"], self._pod["spec"]
        account = spec.get("serviceAccountName") or "default"
        bound = {"apiVersion": "v1", "kind": "Pod", "name": metadata["name"], "uid": metadata["uid"]}
        body = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"expirationSeconds": _TOKEN_S, "boundObjectRef": bound},
        }
        path = f"/api/v1/namespaces/{metadata['namespace']}/serviceaccounts/{account}/token"
        answer: Any = msgspec.json.decode(await self._node.client.post(path, body))
        return str(answer["status"]["token"])

    def mounts(self, container: Thing, volumes: dict[str, Path]) -> list[Bind]:
        """Return what is bound into a container beside the shared files."""
        rows: list[Bind] = []
        for mount in container.get("volumeMounts") or ():
            source = volumes[mount["name"]]
            if mount.get("subPath"):
                source = source / mount["subPath"]
                if not source.exists():
                    source.mkdir(parents=True)
            rows.append((str(source), mount["mountPath"], bool(mount.get("readOnly"))))
        automatic = self._pod["spec"].get("automountServiceAccountToken", True)
        if automatic and not any(target == _ACCOUNT for _, target, _ in rows):
            rows.append((str(self.folder / "account"), _ACCOUNT, True))
        return rows
