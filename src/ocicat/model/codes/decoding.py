"""Codes `OC002x`: documents that do not read as objects of the kind they name."""

from typing import Final

from ocicat.base.problem import Severity
from ocicat.model.codes.code import Code

DECODING: Final = (
    Code(
        "OC0020",
        "apiVersion or kind missing",
        "Without apiVersion and kind nobody knows what the object is.",
        "add apiVersion and kind",
    ),
    Code(
        "OC0021",
        "name missing",
        "An object is known by metadata.name.",
        "add metadata.name",
    ),
    Code(
        "OC0022",
        "apiVersion not read",
        "The kind is known, but not in this version or group of the API. The object would have no effect.",
        "write the apiVersion that is read",
    ),
    Code(
        "OC0023",
        "kind does not exist",
        "The group of the API is known, but has no such kind. The object would have no effect.",
        "correct the kind",
    ),
    Code(
        "OC0024",
        "kind not known",
        "The group of the API is known, but ocicat has never heard of this kind; the object is skipped.",
        "check the spelling of kind; remove the object if it is not needed",
        Severity.WARNING,
    ),
    Code(
        "OC0025",
        "wrong type",
        "The value has another type than the API asks for. The API server would refuse the object.",
        "write a value of the right type",
    ),
    Code(
        "OC0026",
        "unknown field",
        "The API has no such field, so its value has no effect. The API server drops it too.",
        "correct the name of the field, or remove it",
        Severity.WARNING,
    ),
    Code(
        "OC0027",
        "namespace on a cluster-wide object",
        "Objects of this kind belong to no namespace; the given one is ignored.",
        "remove metadata.namespace",
        Severity.WARNING,
    ),
)
