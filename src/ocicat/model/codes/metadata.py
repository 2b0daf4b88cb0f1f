"""Codes `NP00xx`: names, labels, annotations, and one object written twice."""

from typing import Final

from ocicat.base.problem import Severity
from ocicat.model.codes.code import Code

METADATA: Final = (
    Code(
        "NP0001",
        "name too long",
        "Names have at most 253 bytes, those of tiers 63, because policies carry their tier's name as a "
        "label.",
        "shorten metadata.name",
    ),
    Code(
        "NP0002",
        "not the name of a policy or tier",
        "A tier's name is one DNS label: lower case letters, digits and `-`. A policy's name is one label, "
        "or two with a dot between them (the tier and the rest, by custom).",
        "write metadata.name with lower case letters, digits and -",
    ),
    Code(
        "NP0003",
        "not a name",
        "Names are DNS labels joined by dots: lower case letters, digits, `-` and `.`, with a letter or "
        "digit at both ends of each label. A bad policy name can break this rule and NP0002 at once.",
        "write metadata.name with dots, hyphens, lower case letters and digits",
    ),
    Code(
        "NP0004",
        "not the key of a label",
        "A label's key is a name of at most 63 characters, with or without a DNS name and a slash before it.",
        "write a key such as team or example.com/team",
    ),
    Code(
        "NP0005",
        "not the value of a label",
        "A label's value is empty, or at most 63 letters, digits, `-`, `_` and `.`, with a letter or digit "
        "at both ends.",
        "write a value that begins and ends with a letter or digit, without spaces",
    ),
    Code(
        "NP0006",
        "not the key of an annotation",
        "An annotation's key has the form of a label's key; upper case is allowed in the part before the "
        "slash too.",
        "write a key such as example.com/note",
    ),
    Code(
        "NP0007",
        "annotations too large",
        "All annotations of an object, keys and values together, have at most 262,144 bytes.",
        "remove annotations, or shorten them",
    ),
    Code(
        "NP0008",
        "not a name for this kind",
        "Kubernetes asks of most kinds a DNS subdomain as name, of Namespaces and Services a DNS label, and "
        "refuses the object. Since the name does not change what the object means, it counts here.",
        "write metadata.name with lower case letters, digits and -",
        Severity.WARNING,
    ),
    Code(
        "NP0009",
        "not the name of a namespace",
        "A namespace's name is a DNS label. No namespace can have this one, so Kubernetes refuses the "
        "object.",
        "correct metadata.namespace",
        Severity.WARNING,
    ),
    Code(
        "NP0010",
        "object written twice",
        "Two objects have the same kind, namespace and name. In a cluster the one that is applied last "
        "replaces the other, and nobody sees which one that was. Here the first counts.",
        "remove one of the two, or give it another name",
    ),
)
