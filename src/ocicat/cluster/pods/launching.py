"""`Launch`: from a container's spec to what is started: its image, its files, its variables, its rights."""

import asyncio
import contextlib
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Final

from ocicat.cluster.client import ApiError, UnreachableError
from ocicat.cluster.pods.context import NodeContext, Thing
from ocicat.cluster.pods.environment import MissingError, expanded, service_variables, variables
from ocicat.cluster.pods.holding import Start
from ocicat.cluster.pods.images.known import base_environment, program
from ocicat.cluster.pods.images.making import ImageNotMadeError, Made, UnknownImageError
from ocicat.cluster.pods.sandbox import Bind, Sandbox
from ocicat.cluster.pods.security import RefusedError, rights_of

RETRY_S: Final = 5.0
IMAGE_RETRY_S: Final = 10.0
_MESSAGE_BYTES: Final = 4096
"""What a termination message has at most."""
_LAST_WORD: Final = "/dev/termination-log"
Tell = Callable[[str, str, bool], None]
"""Writes an event: reason, message, and whether it is a warning."""
Wait = Callable[[str, str], None]
"""Shows that a container waits: the reason in one word, and in many."""


class Launch:
    """Says how one container is started, run after run."""

    def __init__(
        self, node: NodeContext, sandbox: Sandbox, pod: Thing, spec: Thing, *, tell: Tell, wait: Wait
    ) -> None:
        """Prepare it for the container `spec` of a pod."""
        self._node: Final = node
        self._sandbox: Final = sandbox
        self._pod: Final = pod
        self._spec: Final = spec
        self._tell: Final = tell
        self._wait: Final = wait
        self.folder: Final[Path] = sandbox.folder / spec["name"]

    async def image(self) -> Made:
        """Return the image; waits, and says so, as long as there is none."""
        reference = self._spec["image"]
        while True:
            try:
                made = await asyncio.to_thread(self._node.images.made, reference)
            except (UnknownImageError, ImageNotMadeError) as error:
                self._tell("Failed", f'Failed to pull image "{reference}": {error}', True)
                self._wait("ErrImagePull", str(error))
                await self._node.timer.sleep(IMAGE_RETRY_S)
                text = f'Back-off pulling image "{reference}"'
                self._tell("BackOff", text, False)
                self._wait("ImagePullBackOff", f"{text}: {error}")
                await self._node.timer.sleep(IMAGE_RETRY_S)
            else:
                self._tell("Pulled", f'Container image "{reference}" already present on machine', False)
                return made

    async def prepared(self, run: int, keep: str, beside: int | None, volumes: dict[str, Path]) -> Start:
        """Return what is to be started; waits, and says so, as long as something that it needs is absent.

        Args:
            run: The number of the run.
            keep: The name under which the holder keeps it.
            beside: The process whose fellows it sees; None for those of its own.
            volumes: Where the pod's volumes are.
        """
        made = await self.image()
        if limits := (self._spec.get("resources") or {}).get("limits"):
            # Control groups are not ours to make: without root they may be given to us, or not.
            what = f"{', '.join(sorted(limits))} of container {self._spec['name']}"
            self._tell("NotLimited", f"Limits of {what} are not enforced here", False)
        while True:
            try:
                await self._sandbox.read_sources()
                return self._start(made, run, keep, beside, volumes)
            except (MissingError, RefusedError, ApiError, UnreachableError) as error:
                why = str(error)
            except (AttributeError, KeyError, TypeError, ValueError) as error:
                # A spec that the API server let pass: this container's alone, not its pod's nor the node's.
                why = f"the container's spec cannot be understood: {error!r}"
            self._tell("Failed", f"Error: {why}", True)
            self._wait("CreateContainerConfigError", why)
            await self._node.timer.sleep(RETRY_S)

    def _start(self, made: Made, run: int, keep: str, beside: int | None, volumes: dict[str, Path]) -> Start:
        sandbox, spec = self._sandbox, self._spec
        env = self._environment(made)
        words = program(made.image, spec.get("command"), spec.get("args"))
        if not words:
            raise RefusedError(f"no command is given, and the image {spec['image']} has none")
        rights = rights_of(self._pod, spec, made.image.user, made.image.group)
        binds = [*made.binds, *sandbox.shared_files(), *sandbox.mounts(spec, volumes, env)]
        return Start(
            argv=[expanded(word, env) for word in words],
            env=env,
            cwd=spec.get("workingDir") or made.image.cwd,
            space=sandbox.space,
            beside=beside,
            root={
                "image": str(made.folder),
                "writable": str(self._writable(run)),
                "binds": [*binds, self._last_word(run)],
                "read_only": rights.read_only,
            },
            rights=rights,
            tty=bool(spec.get("tty")),
            hostname=sandbox.hostname,
            keep=keep,
        )

    def _environment(self, made: Made) -> dict[str, str]:
        base = base_environment(made.image) | {"HOSTNAME": self._sandbox.hostname}
        if self._spec.get("tty"):
            base["TERM"] = "xterm"
        if self._pod["spec"].get("enableServiceLinks", True):
            services = self._node.services.values()
            base |= service_variables(self._pod["metadata"]["namespace"], services)
        return variables(self._sandbox.given, self._spec, base)

    def _writable(self, run: int) -> Path:
        """Return the folder of what a run writes; that of the run before is taken away."""
        shutil.rmtree(self.folder / f"root-{run - 1}", ignore_errors=True)
        return self.folder / f"root-{run}"

    def _last_word(self, run: int) -> Bind:
        self.folder.mkdir(parents=True, exist_ok=True)
        file = self.folder / f"{run}.message"
        file.write_bytes(b"")
        return str(file), self._spec.get("terminationMessagePath") or _LAST_WORD, False

    def last_word(self, run: int) -> str:
        """Return what a run has left as its termination message."""
        with contextlib.suppress(OSError), (self.folder / f"{run}.message").open("rb") as file:
            return file.read(_MESSAGE_BYTES).decode("utf-8", "replace")
        return ""
