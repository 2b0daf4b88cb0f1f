"""What `kubectl explain` says of the fields of policy kinds. One sentence each, by the field's name.

Source of the facts: spec/policy-semantics §2 and §3. A struct's own docstring is the text of the whole.
"""

from collections.abc import Mapping
from typing import Final

META_NAMES: Final[Mapping[str, str]] = {}
"""Structs of metadata whose name differs from the one in Kubernetes' own definitions."""

FIELD_DOCS: Final[Mapping[str, str]] = {
    "action": "What the rule does with a packet that it matches: Allow, Deny, Log (and go on) or Pass (to"
    " the next"
    " tier). Cluster-wide policies know Accept or Allow, Deny and Pass.",
    "annotations": "Free texts that go with the rule.",
    "apiVersion": "The group and version of the API that the object is written in.",
    "applyOnForward": "Also apply at host endpoints to traffic that the host forwards. Default false.",
    "cidr": "An address block such as 10.0.0.0/8 or 2001:db8::/32.",
    "code": "The ICMP code, 0 to 255; needs a type.",
    "defaultAction": "What happens to a packet that a policy of the tier selects and no rule decides: Deny"
    " (the"
    " default) or Pass to the next tier.",
    "destination": "What must hold of the packet's destination for the rule to match; all criteria must"
    " hold.",
    "destinationNamedPort": "The name of a port of the destination pod.",
    "destinationPort": "The port, or the range of ports, at the destination.",
    "doNotTrack": "Apply before connection tracking; needs applyOnForward. Default false.",
    "domainNames": "Names of hosts outside the cluster. Not supported here: such a rule fails closed.",
    "egress": "The rules for traffic that leaves, in order; the first that decides ends the policy.",
    "end": "The last port of the range, included.",
    "endPort": "The last port of the range that begins at `port`, included.",
    "exact": "The whole path that must be asked for.",
    "except": "Blocks within `cidr` that are left out.",
    "expectedIPs": "Addresses of the interface; needed where no interface is named.",
    "from": "The peers that may send; an empty or absent list means everyone.",
    "http": "What must hold of an HTTP request. The packet dataplane does not look at it.",
    "icmp": "The ICMP type and code that the packet must have.",
    "ingress": "The rules for traffic that arrives, in order; the first that decides ends the policy.",
    "interfaceName": "The interface of the node, or * for all.",
    "ipBlock": "Peers by address.",
    "ipVersion": "4 or 6: the rule matches packets of that family only.",
    "key": "The label's key.",
    "kind": "The kind of the object.",
    "labelsToApply": "Labels that endpoints with this profile inherit.",
    "matchExpressions": "Requirements of labels; all must hold.",
    "matchLabels": "Labels that must be there with these values.",
    "metadata": "Standard object metadata.",
    "methods": "HTTP methods, one of which must be used.",
    "name": "The name.",
    "names": "Names of service accounts, one of which must be the pod's.",
    "namespace": "The namespace.",
    "namespaceSelector": "A selector of namespaces by their labels.",
    "namespaces": "Namespaces by their labels; all pods in them.",
    "nets": "Address blocks, one of which must hold the address.",
    "networks": "Address blocks outside the cluster.",
    "node": "The node that the endpoint is of.",
    "nodes": "Nodes by their labels.",
    "notICMP": "The ICMP type and code that the packet must not have.",
    "notNets": "Address blocks, none of which may hold the address.",
    "notPorts": "Ports, none of which may be used.",
    "notProtocol": "The protocol that the packet must not have.",
    "notSelector": "A selector that the endpoint must not match.",
    "number": "The port's number.",
    "operator": "In, NotIn, Exists or DoesNotExist.",
    "order": "Where it stands among its like: lower numbers first. A policy without order comes last; a"
    " tier without"
    " one counts as 1000000.",
    "paths": "HTTP paths, one of which must be asked for.",
    "performanceHints": "Hints to the dataplane; they never change a verdict.",
    "podSelector": "A selector of pods by their labels.",
    "pods": "Pods by their labels, in namespaces by theirs.",
    "policyTypes": "The directions that the policy governs: Ingress, Egress or both.",
    "port": "The port: a number or the name of one.",
    "portNumber": "One port by number.",
    "portRange": "A range of ports, both ends included.",
    "namedPort": "A port by the name that the destination pod gives it.",
    "ports": "Ports, one of which must be used: numbers, ranges such as 8000:8080, or names of ports.",
    "preDNAT": "Apply before destination addresses are translated; needs applyOnForward. Default false.",
    "prefix": "What the path that is asked for must begin with.",
    "priority": "0 to 1000: lower numbers first.",
    "profiles": "Profiles of the endpoint, in order.",
    "protocol": "The protocol: TCP, UDP, SCTP, ICMP, ICMPv6, UDPLite, or a number from 1 to 255.",
    "protocols": "Protocols and ports, one of which must be used; absent means every one.",
    "range": "A range of ports, both ends included.",
    "sctp": "SCTP, at the destination's port.",
    "selector": "A selector such as app == 'db' && has(tier); empty selects everything.",
    "serviceAccountSelector": "A selector of pods by the labels of their service accounts.",
    "serviceAccounts": "Service accounts that the pod must run as.",
    "services": "A Service whose endpoints are meant.",
    "source": "What must hold of the packet's source for the rule to match; all criteria must hold.",
    "spec": "What is wished for.",
    "stagedAction": "Set (the default): evaluate and report as if it were enforced. Delete: no effect."
    " Learn and"
    " Ignore act as Set.",
    "start": "The first port of the range.",
    "subject": "The pods that the policy applies to.",
    "tcp": "TCP, at the destination's port.",
    "tier": "The tier of the policy; for a ClusterNetworkPolicy Admin or Baseline.",
    "to": "The peers that may be sent to; an empty or absent list means everyone.",
    "type": "The ICMP type, 0 to 254.",
    "types": "The directions that the policy governs: Ingress, Egress or both. Default: Ingress, and Egress"
    " where"
    " there are egress rules; Egress alone where there are egress rules only.",
    "udp": "UDP, at the destination's port.",
    "values": "The values for In and NotIn.",
}
