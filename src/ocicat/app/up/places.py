"""Where a cluster keeps its things: the files of the state folder, and who holds it."""

import contextlib
import fcntl
import os
import signal
import time
from pathlib import Path
from typing import Final

import msgspec

from ocicat.base.errors import OcicatError

_END_S: Final = 40.0


class InUseError(OcicatError):
    """A cluster of this name runs already."""


class Places(msgspec.Struct, frozen=True):
    """The files of one cluster."""

    folder: Path

    @property
    def name(self) -> str:
        """The cluster's name."""
        return self.folder.name

    @property
    def kubeconfig(self) -> Path:
        """For users: the API server on the loopback."""
        return self.api / "kubeconfig"

    @property
    def api(self) -> Path:
        """The API server's folder: store, keys, kubeconfig."""
        return self.folder / "api"

    def kubeconfig_of(self, part: str) -> Path:
        """For a node or an agent: the API server within the cluster's network."""
        return self.keys / f"{part}.kubeconfig"

    @property
    def nodes(self) -> Path:
        """The folders of nodes."""
        return self.folder / "nodes"

    @property
    def agents(self) -> Path:
        """The state folder of the agents."""
        return self.folder / "agents"

    def system_files(self, node: str) -> Path:
        """Return what the system's pods see of a node's files, by `hostPath` volumes."""
        return self.nodes / node / "system"

    @property
    def images(self) -> Path:
        """What containers run: images that are made here, and those that were added."""
        return self.folder / "images"

    @property
    def keys(self) -> Path:
        """The keys of the flow API, and the kubeconfigs of nodes and agents."""
        return self.folder / "keys"

    @property
    def outside(self) -> Path:
        """The authority and the keys of the simulated public network."""
        return self.folder / "outside"

    @property
    def logs(self) -> Path:
        """What the parts write."""
        return self.folder / "logs"

    @property
    def holder(self) -> Path:
        """The holder's socket."""
        return self.folder / "holder.sock"

    @property
    def port_file(self) -> Path:
        """The port of the API server, kept so that kubeconfigs stay good."""
        return self.folder / "port"

    @property
    def console_file(self) -> Path:
        """The address of the console while the cluster runs."""
        return self.folder / "console"

    @property
    def lock(self) -> Path:
        """Held, and with the number of the process, while the cluster runs."""
        return self.folder / "lock"

    def make(self) -> None:
        """Make the folders, readable by their owner alone."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o700)
        for folder in (self.nodes, self.logs):
            folder.mkdir(exist_ok=True)

    def hold(self) -> int:
        """Take the lock for this process; return its descriptor. Raises InUseError."""
        descriptor = os.open(self.lock, os.O_RDWR | os.O_CREAT, 0o600)
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as error:
                if (owner := self.owner()) is not None:
                    os.close(descriptor)
                    raise InUseError(
                        f"the cluster {self.name} runs already (process {owner}); "
                        f"end it with: ocicat down --name {self.name}"
                    ) from error
                time.sleep(0.01)  # somebody is asking, for a moment
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        return descriptor

    def owner(self) -> int | None:
        """Return the process that runs the cluster, None where none does."""
        try:
            descriptor = os.open(self.lock, os.O_RDWR)
        except FileNotFoundError:
            return None
        try:
            # Shared: those who only ask do not hinder each other, nor a cluster that starts.
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            text = os.pread(descriptor, 20, 0)
            return int(text) if text.isdigit() else None
        finally:
            os.close(descriptor)
        return None

    def end(self) -> bool:
        """End the cluster and wait until it is gone; false where none ran. Raises OcicatError."""
        owner = self.owner()
        if owner is None:
            return False
        with contextlib.suppress(ProcessLookupError):
            os.kill(owner, signal.SIGTERM)
        deadline = time.monotonic() + _END_S
        while self.owner() is not None:
            if time.monotonic() > deadline:
                raise OcicatError(f"the cluster does not end; its process is {owner}")
            time.sleep(0.05)
        return True
