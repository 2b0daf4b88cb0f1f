"""The root of all exceptions that ocicat raises on purpose.

A user's mistake is data (`ocicat.base.problem.Problem`); a broken world is an exception. A subclass of
`OcicatError` exists where a caller would act differently.
"""


class OcicatError(Exception):
    """Root of every exception that is part of ocicat's contract."""
