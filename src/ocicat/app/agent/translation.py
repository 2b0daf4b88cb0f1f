"""Who translates the addresses of Services on this node: the agent, or a kube-proxy, which may come and go.

Two who both translate would each do half of it, so the agent leaves Services to a kube-proxy as soon as it
sees one, and takes them over when nothing is left of it. Connections that exist keep their backends.
"""

import asyncio
from collections.abc import Callable
from typing import Final

import structlog

from ocicat.app.agent.enforcer import Enforcer
from ocicat.app.settings import ServicesMode
from ocicat.base.errors import OcicatError
from ocicat.ports.clock import Timer

LOOK_S: Final = 30.0
"""How often a kube-proxy is looked for."""

log: Final = structlog.get_logger("ocicat.agent")


class Translation:
    """Keeps the kernel side translating Services, or not. In mode `auto` it looks again and again."""

    def __init__(
        self,
        mode: ServicesMode,
        look: Callable[[], str],
        translate: Callable[[bool], None],
        enforcer: Enforcer,
        timer: Timer,
    ) -> None:
        """Look once, in mode `auto`, and tell the kernel side. Raises OcicatError where that cannot be done.

        Args:
            mode: As set.
            look: Returns what tells of a kube-proxy, empty where nothing does. Blocks. Where it raises
                OcicatError nothing is known, and all stays as it is.
            translate: Tells the kernel side whether to translate from the next pass on. Blocks for a pass.
            enforcer: Passes.
            timer: Waits between looks.
        """
        self._mode = mode
        self._look = look
        self._translate = translate
        self._enforcer = enforcer
        self._timer = timer
        self._sign = look() if mode is ServicesMode.AUTO else ""
        translate(self._translates)
        if self._sign:
            log.info("services.left_to_kube_proxy", sign=self._sign)

    @property
    def _translates(self) -> bool:
        return self._mode is not ServicesMode.OFF and not self._sign

    async def run(self) -> None:
        """Look for ever, where it may change. Ends only by being cancelled."""
        if self._mode is not ServicesMode.AUTO:
            await asyncio.Event().wait()
        while True:
            await self._timer.sleep(LOOK_S)
            try:
                sign = await asyncio.to_thread(self._look)
            except OcicatError as error:
                log.warning("services.unsure", reason=str(error))
                continue
            if bool(sign) != bool(self._sign):
                self._sign = sign
                log.info("services.left_to_kube_proxy" if sign else "services.taken_over", sign=sign)
                await self._enforcer.alone(lambda: self._translate(self._translates))
                self._enforcer.again()

    def status(self) -> str:
        """Return who translates, in words."""
        if self._sign:
            return f"left to kube-proxy ({self._sign})"
        return "translated here" if self._translates else "off"
