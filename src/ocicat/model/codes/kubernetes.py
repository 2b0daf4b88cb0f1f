"""Codes `NP08xx` and `NP10xx`: Kubernetes' NetworkPolicy, and the kinds that policy refers to."""

from typing import Final

from ocicat.base.problem import Severity
from ocicat.model.codes.code import Code

_NETWORK_POLICY: Final = (
    Code(
        "NP0801",
        "protocol not supported",
        "A NetworkPolicy knows TCP, UDP and SCTP, in exactly these letters.",
        "write TCP, UDP or SCTP",
    ),
    Code(
        "NP0802",
        "port number of a NetworkPolicy out of range",
        "A port of a NetworkPolicy is 1 to 65535.",
        "write a port from 1 to 65535, or remove port to match all",
    ),
    Code(
        "NP0803",
        "not the name of a container's port",
        "Containers can declare ports only by names of 1 to 15 lower case letters, digits and single "
        "hyphens, with at least one letter. A number in quotes is such a text, and no name.",
        "write the name that the container declares, or the number without quotes",
    ),
    Code(
        "NP0804",
        "endPort out of place",
        "endPort makes a range with port, so port must be a number, and not above it.",
        "write port as the lower and endPort as the higher number",
    ),
    Code(
        "NP0805",
        "peer without criteria",
        "An empty peer would be a riddle: everybody, or nobody? Kubernetes refuses it.",
        "write podSelector: {} for all pods of the namespace, or remove the peer",
    ),
    Code(
        "NP0806",
        "ipBlock with another criterion",
        "A peer is an address block, or pods by labels, never both.",
        'put ipBlock into a peer of its own: begin it with "- "',
    ),
    Code(
        "NP0807",
        "ipBlock without a valid CIDR",
        "An address block is an address and a length.",
        "write address/length, such as 10.0.0.0/8",
    ),
    Code(
        "NP0808",
        "CIDR with host bits",
        "The address is not the first of its net. Older API servers accept it, newer ones refuse it; the "
        "host bits are ignored.",
        "write the first address of the net",
        Severity.WARNING,
    ),
    Code(
        "NP0809",
        "exception outside of the block",
        "What is excepted must lie inside of `cidr` and be smaller, or the exception means nothing.",
        "write a part of cidr",
    ),
    Code(
        "NP0810",
        "unknown policy type of a NetworkPolicy",
        "The types are Ingress and Egress.",
        "write Ingress or Egress",
    ),
    Code("NP0811", "more than two policy types", "There are only two types.", "remove the repeated types"),
    Code(
        "NP0812",
        "label selector with an invalid key",
        "No object can have a label with this key.",
        "write a key such as team or example.com/team",
    ),
    Code(
        "NP0813",
        "label selector with an invalid value",
        "No label can have this value.",
        "write a value that begins and ends with a letter or digit, without spaces",
    ),
    Code(
        "NP0814",
        "unknown operator of a label selector",
        "The operators are In, NotIn, Exists and DoesNotExist.",
        "write In, NotIn, Exists or DoesNotExist",
    ),
    Code(
        "NP0815",
        "label selector without values",
        "In and NotIn compare with values, so there must be some.",
        "add values, or write Exists or DoesNotExist",
    ),
    Code(
        "NP0816",
        "label selector with needless values",
        "Exists and DoesNotExist look at the key alone.",
        "remove values, or write In or NotIn",
    ),
)
_CORE: Final = (
    Code(
        "NP1001",
        "status with an invalid address",
        "The address of the pod is none, so the pod counts as having no address.",
        "write an address, or remove the status",
        Severity.WARNING,
    ),
    Code(
        "NP1002",
        "endpoint with an invalid address",
        "The address is not of the slice's addressType, so the Service would not lead there.",
        "write an address of the slice's addressType",
    ),
    Code(
        "NP1003",
        "unknown address type",
        "An EndpointSlice is of addressType IPv4, IPv6 or FQDN.",
        "write IPv4 or IPv6",
    ),
    Code(
        "NP1004",
        "Service with an invalid address",
        'A Service\'s addresses are IP addresses; clusterIP may also be "None" or empty.',
        "write an address, or remove the field",
    ),
    Code(
        "NP1005",
        "port number out of the range of ports",
        "A port is 1 to 65535.",
        "write a port from 1 to 65535",
    ),
    Code(
        "NP1006",
        "unknown protocol of a port",
        "The ports of pods and Services are of TCP, UDP or SCTP, in exactly these letters.",
        "write TCP, UDP or SCTP",
    ),
    Code(
        "NP1007",
        "container declares an invalid port name",
        "A port's name has 1 to 15 lower case letters, digits and single hyphens, and at least one letter.",
        "write a name such as http",
    ),
)
KUBERNETES: Final = (*_NETWORK_POLICY, *_CORE)
