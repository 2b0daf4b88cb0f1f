"""Codes `NP05xx` to `NP07xx`: network sets, host endpoints, profiles."""

from typing import Final

from ocicat.model.codes.code import Code

ENDPOINTS: Final = (
    Code(
        "NP0501",
        "not an address or CIDR",
        "An item of a network set is an address, or an address and a length. Host bits are allowed.",
        "write an address, or address/length",
        tag="cidr",
    ),
    Code("NP0502", "net listed twice in a set", "Each item stands in the set once.", "remove one of the two"),
    Code(
        "NP0503",
        "reserved label",
        "Calico itself puts the label projectcalico.org/namespace on network sets.",
        "remove the label; the namespace is metadata.namespace",
    ),
    Code(
        "NP0601",
        "node missing",
        "A host endpoint is an interface of a node, which must be named.",
        "add spec.node",
    ),
    Code(
        "NP0602",
        "not the name of a node",
        "No node can have this name, so the host endpoint would never apply.",
        "write the name as kubectl get node shows it",
        tag="name",
    ),
    Code(
        "NP0603",
        "not the name of an interface",
        "An interface's name has 1 to 15 letters, digits, `_`, `.` and `-`; `*` means all interfaces of the "
        "node.",
        "write the name as ip link shows it, or *",
        tag="interface",
    ),
    Code(
        "NP0604",
        "host endpoint without interface",
        "Without a name or an address nobody can say which interface is meant.",
        'add interfaceName (or "*" for all), or expectedIPs',
    ),
    Code(
        "NP0605",
        "not an address",
        "expectedIPs are single addresses, without a length.",
        "write an address such as 192.0.2.1",
        tag="ip",
    ),
    Code(
        "NP0606",
        "item listed twice",
        "The list is a set; each item stands in it once.",
        "remove one of the two",
    ),
    Code(
        "NP0607",
        "not the name of a profile",
        "No profile can have this name, so it would give the host endpoint nothing.",
        "correct the name",
        tag="name",
    ),
    Code(
        "NP0608",
        "not the name of a host endpoint's port",
        "A port's name has 1 to 15 lower case letters, digits and single hyphens, and at least one letter.",
        "write a name such as http",
        tag="portName",
    ),
    Code(
        "NP0609",
        "named port of a protocol without ports",
        "Only TCP, UDP and SCTP have ports.",
        "write TCP, UDP or SCTP",
    ),
    Code(
        "NP0610",
        "number of a host endpoint's port out of range",
        "A port is 1 to 65535.",
        "write a port from 1 to 65535",
    ),
    Code(
        "NP0701",
        "profile gives an invalid label",
        "Endpoints inherit these labels, so they must be labels.",
        "correct the key or the value",
        tag="labels",
    ),
)
