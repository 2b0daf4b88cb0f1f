"""Codes `NP01xx`: the rules of Calico policies and profiles: ports, protocols, nets, selectors."""

from typing import Final

from ocicat.model.codes.code import Code

_PORTS: Final = (
    Code(
        "NP0101",
        "protocol number invalid",
        "A protocol given by number is 1 to 255.",
        "write a number from 1 to 255, or remove protocol to match all",
    ),
    Code(
        "NP0102",
        "protocol name invalid",
        "A protocol is TCP, UDP, ICMP, ICMPv6, SCTP or UDPLite, in exactly these letters, or a number 1 to "
        "255.",
        "write TCP, UDP, ICMP, ICMPv6, SCTP or UDPLite, or remove protocol to match all",
    ),
    Code(
        "NP0103",
        "port number out of range",
        "A port is a number up to 65535, and so are both ends of a range.",
        "write a port from 1 to 65535",
    ),
    Code(
        "NP0104",
        "port 0",
        "Port 0 exists on no wire; ports begin at 1.",
        "write a port from 1 to 65535, or leave the ports out to match all",
    ),
    Code(
        "NP0105",
        "not a port",
        "A port is a number, a range written first:last, or the name of a port that pods declare. This is "
        "none.",
        "write a number, a range such as 8000:8100, or a name",
    ),
    Code(
        "NP0106",
        "not the name of a port",
        "Pods can declare ports only by names of 1 to 15 lower case letters, digits and single hyphens, "
        "with at least one letter; a rule that names another could never match.",
        "write the name that the container declares",
        tag="portName",
    ),
    Code(
        "NP0107",
        "empty port range",
        "The end of the range is below its start, so no port is in it.",
        "swap the two numbers",
    ),
    Code(
        "NP0108",
        "too many ports",
        "A list of ports has at most 50 items. A range is one item.",
        "write neighbouring ports as a range first:last, or split the rule",
    ),
    Code(
        "NP0109",
        "port number without protocol",
        "A port number means something else to each protocol, so the rule must say which one is meant.",
        "add protocol: TCP, UDP or SCTP to the rule",
    ),
    Code(
        "NP0110",
        "ports of a protocol without ports",
        "Only TCP, UDP and SCTP (6, 17, 132) have ports that a rule can match.",
        "write protocol: TCP, UDP or SCTP, or remove the ports",
    ),
)
_NETS: Final = (
    Code(
        "NP0111",
        "invalid CIDR",
        "A net of a rule is an address and a length, such as 10.0.0.0/8 or fd00::/8; a bare address is not "
        "enough.",
        "write address/length, such as 10.0.0.0/8",
    ),
    Code(
        "NP0112",
        "net with host bits",
        "The address of a rule's net must be the first of the net: 10.0.0.0/8, not 10.0.0.1/8.",
        "write the first address of the net",
        tag="net",
    ),
    Code(
        "NP0113",
        "net listed twice",
        "A list of nets is a set; each net stands in it once.",
        "remove one of the two",
    ),
    Code(
        "NP0114",
        "too many nets",
        "A list of nets has at most 256 items.",
        "put the nets into a (Global)NetworkSet, and select it",
    ),
    Code(
        "NP0115",
        "net of another IP version",
        "The rule is for one IP version, and a net is of the other, so the rule would match nothing.",
        "correct ipVersion, or remove the net",
    ),
    Code(
        "NP0116",
        "nets of both IP versions",
        "No packet is IPv4 and IPv6 at once, so all nets of a rule, source and destination, are of one "
        "version.",
        "write one rule for each IP version",
    ),
    Code(
        "NP0117",
        "every address excluded",
        "The rule excludes every address of an IP version, so it matches no traffic of that version.",
        "remove the rule, or exclude less",
    ),
)
_MATCHES: Final = (
    Code(
        "NP0118",
        "unknown action",
        "A rule's action is Allow, Deny, Log or Pass, in exactly these letters.",
        "write Allow, Deny, Log or Pass",
    ),
    Code(
        "NP0119",
        "unknown IP version",
        "The IP version of a rule is 4 or 6.",
        "write 4 or 6, or remove ipVersion",
    ),
    Code(
        "NP0120",
        "ICMP number out of range",
        "An ICMP type is 0 to 254, a code 0 to 255.",
        "write the number from the list of ICMP types",
    ),
    Code(
        "NP0121",
        "ICMP code without type",
        "A code means something only together with its type.",
        "add the type, or remove the code",
    ),
    Code(
        "NP0122",
        "ICMP match without ICMP",
        "Only ICMP and ICMPv6 (1, 58) have types and codes, so the rule must name one of them as protocol.",
        "add protocol: ICMP or ICMPv6 to the rule",
    ),
    Code(
        "NP0123",
        "ICMP over IPv6",
        "ICMP belongs to IPv4; that of IPv6 is ICMPv6.",
        "write ICMPv6, or ipVersion: 4",
    ),
    Code(
        "NP0124",
        "ICMPv6 over IPv4",
        "ICMPv6 belongs to IPv6; that of IPv4 is ICMP.",
        "write ICMP, or ipVersion: 6",
    ),
    Code(
        "NP0125",
        "HTTP match on a rule that does not allow",
        "A connection is judged before its first request is seen; only a rule that allows can look at "
        "requests.",
        "remove http, or write action: Allow",
    ),
    Code(
        "NP0126",
        "HTTP match without TCP",
        "HTTP runs over TCP.",
        "write protocol: TCP, or remove protocol",
    ),
    Code(
        "NP0127",
        "HTTP method listed twice",
        "Each method stands in the list once.",
        "remove the repeated method",
    ),
    Code(
        "NP0128",
        "not an HTTP path",
        "A path match is one of `exact` and `prefix`; the path begins with / and has no `?`, `#` or space.",
        "write exact: /path or prefix: /path",
    ),
    Code(
        "NP0129",
        "HTTP match too large",
        "Methods and paths are at most 20 each, a path has at most 1,024 characters.",
        "split the rule, or shorten the path",
    ),
)
_PEERS: Final = (
    Code(
        "NP0131",
        "selector not understood",
        "The text is not an expression of Calico's selector language, such as `app == 'web' && has(team)`.",
        "correct the selector at this column",
        tag="selector",
    ),
    Code(
        "NP0132",
        "selector too long",
        "A selector has at most 1,024 characters.",
        "use a set: label in {'a', 'b'}, or a common label",
    ),
    Code(
        "NP0133",
        "global() out of place",
        "global() means host endpoints and global network sets, and only in the namespaceSelector of a rule.",
        "move global() to the namespaceSelector of a rule's source or destination",
    ),
    Code(
        "NP0134",
        "global() not alone",
        "What is global is in no namespace, so global() cannot be combined with criteria on namespaces.",
        "write namespaceSelector: global(), and the rest into selector",
    ),
    Code(
        "NP0135",
        "services with namespaceSelector",
        "A Service already says whose addresses are meant.",
        "remove namespaceSelector; the Service's namespace is services.namespace",
    ),
    Code(
        "NP0136",
        "services with serviceAccounts",
        "A Service already says whose addresses are meant.",
        "remove serviceAccounts, or services",
    ),
    Code("NP0137", "services without name", "A Service is known by its name.", "add services.name"),
    Code(
        "NP0138",
        "services with selector",
        "A Service already says whose addresses are meant.",
        "remove selector and notSelector, or services",
    ),
    Code(
        "NP0139",
        "services with nets",
        "A Service already says which addresses are meant.",
        "remove nets and notNets, or services",
    ),
    Code(
        "NP0140",
        "services with ports",
        "A Service as destination already says which ports are meant: those of its endpoints.",
        "remove ports and notPorts, or services",
    ),
    Code(
        "NP0141",
        "not the name of a Service or namespace",
        "The name has characters that no Service or namespace can have, so the rule could never match.",
        "write the name as kubectl get service shows it",
        tag="name",
    ),
    Code(
        "NP0142",
        "service account listed twice",
        "The list of service accounts is a set; each stands in it once.",
        "remove one of the two",
    ),
)
RULES: Final = (*_PORTS, *_NETS, *_MATCHES, *_PEERS)
