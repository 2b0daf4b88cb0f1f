"""Codes `NP09xx`: the cluster-wide policies of Kubernetes."""

from typing import Final

from ocicat.base.problem import Severity
from ocicat.model.codes.code import Code

CLUSTER: Final = (
    Code(
        "NP0901",
        "unknown tier of a ClusterNetworkPolicy",
        "A ClusterNetworkPolicy is in the tier Admin, before all NetworkPolicies, or Baseline, after them.",
        "write Admin or Baseline",
    ),
    Code(
        "NP0902",
        "priority out of range",
        "The priority is required, and is 0 (first) to 1000 (last).",
        "write a priority from 0 to 1000",
    ),
    Code(
        "NP0903",
        "subject not exactly one",
        "The subject is either `namespaces` or `pods`; without one nobody is subject to the policy.",
        "write namespaces: {} for all pods, or pods with both selectors",
    ),
    Code(
        "NP0904",
        "too many cluster-wide rules",
        "A ClusterNetworkPolicy has at most 25 rules in each direction, the older kinds at most 100.",
        "split the policy into several, with neighbouring priorities",
    ),
    Code("NP0905", "rule name too long", "A rule's name has at most 100 characters.", "shorten the name"),
    Code(
        "NP0906",
        "unknown action of a cluster-wide rule",
        "A ClusterNetworkPolicy's rules say Accept, Deny or Pass; an AdminNetworkPolicy's Allow, Deny or "
        "Pass; a BaselineAdminNetworkPolicy's Allow or Deny.",
        "write an action that the kind has",
    ),
    Code(
        "NP0907",
        "number of peers out of range",
        "A rule names at least one peer, and at most 25 (in the older kinds 100).",
        "name the peers; namespaces: {} is all pods",
    ),
    Code(
        "NP0908",
        "peer not exactly one",
        "A peer has exactly one field: namespaces or pods, in egress rules also nodes, networks or "
        "domainNames.",
        'write one field per peer; begin each peer with "- "',
    ),
    Code(
        "NP0909",
        "pods without a selector that is required",
        "The API server asks for a podSelector, in v1alpha1 for a namespaceSelector too, and refuses the "
        "object. Its types take an absent selector for an empty one, which selects all, and so does ocicat.",
        "add the missing selector; {} selects all",
        Severity.WARNING,
    ),
    Code(
        "NP0910",
        "number of protocols or ports out of range",
        "If a rule lists protocols or ports, it lists at least one, and at most 25 protocols or 100 ports.",
        "remove the empty list to match every port, or split the rule",
    ),
    Code(
        "NP0911",
        "protocol or port not exactly one",
        "An item has exactly one field: tcp, udp, sctp or destinationNamedPort; in the older kinds "
        "portNumber, portRange or namedPort.",
        'write one field per item; begin each item with "- "',
    ),
    Code(
        "NP0912",
        "destination port not exactly one",
        "A protocol has a destinationPort, which is a number or a range.",
        "write destinationPort: {number: 80}, or a range",
    ),
    Code(
        "NP0913",
        "port number of a cluster-wide rule out of range",
        "A port is 1 to 65535.",
        "write a port from 1 to 65535",
    ),
    Code(
        "NP0914",
        "port range of a cluster-wide rule is empty",
        "The start of a range is below its end; a single port is a number.",
        "write the lower port as start",
    ),
    Code(
        "NP0915",
        "named port of a peer without names",
        "Ports have names only in pods, not at nodes, networks or domain names.",
        "write the number of the port, or split the rule",
    ),
    Code(
        "NP0916",
        "number of networks or domain names out of range",
        "A peer lists 1 to 25 networks or domain names, each once.",
        "split the list over several peers",
    ),
    Code(
        "NP0917",
        "network is no CIDR",
        "A network is an address and a length, such as 10.0.0.0/8 or fd00::/8.",
        "write address/length",
    ),
    Code(
        "NP0918",
        "not a domain name",
        "A domain name has at least two labels, and may begin with `*.`.",
        "write a name such as example.com or *.example.com",
    ),
    Code(
        "NP0919",
        "domainNames fail closed",
        "Packets carry addresses, and ocicat does not follow DNS. A rule that names domains therefore fails "
        "closed: one that accepts is dropped, any other denies everything in its direction.",
        "name the destinations by networks",
        Severity.WARNING,
    ),
    Code(
        "NP0920",
        "second baseline",
        "There is one BaselineAdminNetworkPolicy in a cluster, and its name is `default`.",
        "write metadata.name: default",
    ),
    Code(
        "NP0921",
        "label selector of a cluster-wide rule has no meaning",
        "The API server accepts it, but it selects nothing that exists or cannot be understood; a rule that "
        "cannot be understood fails closed.",
        "correct the label selector",
        Severity.WARNING,
    ),
    Code(
        "NP0922",
        "label selector of a subject has no meaning",
        "Nobody can say who is subject to the policy, so it is treated as absent.",
        "correct the label selector",
    ),
    Code(
        "NP0923",
        "port of a cluster-wide rule has no meaning",
        "The API server accepts it, but the rule cannot be understood and fails closed: one that accepts is "
        "dropped, any other denies everything in its direction.",
        "correct the port",
        Severity.WARNING,
    ),
)
