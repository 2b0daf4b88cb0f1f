"""The settings of the API server, one frozen struct; who reads them from where is the composition's
business."""

from pathlib import Path

import msgspec


class ApiServerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How the API server is set up."""

    data: Path
    """The state folder: store, certificates, cached schemas, kubeconfig."""
    host: str = "127.0.0.1"
    """The address listened on; the loopback, since who reaches it may try tokens."""
    port: int = 6443
    """The port; 0 takes a free one."""
    cluster: str = "ocicat"
    """The name of cluster, user and context in the kubeconfig."""
    names: tuple[str, ...] = ()
    """More names and addresses that the serving certificate holds for, such as those of nodes."""
    service_ranges: tuple[str, ...] = ("10.96.0.0/16", "fd00:10:96::/112")
    """The networks of Service addresses, one per family; the first family is the default one."""
    release: str = "v1.32.0"
    """The Kubernetes release that `/version` names; clients choose by it what they send."""
    calico_release: str = "v3.33.0"
    """The Calico release that ClusterInformation names."""
    request_timeout_s: float = 60.0
    """Seconds that a body may take to arrive and a plain answer to be taken."""
    bookmark_interval_s: float = 60.0
    """Seconds between bookmarks to a watcher that asks for them."""
    watch_limit_s: float = 3600.0
    """Seconds that a watch lasts at most; clients begin anew by themselves."""
    compaction_interval_s: float = 30.0
    """Seconds between compactions of the store, and between looks for events that are over."""
    event_life_s: float = 3600.0
    """Seconds that an Event is kept after it was last seen, as upstream keeps them."""
