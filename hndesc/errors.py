"""The error that a user is meant to read."""


class HndescError(Exception):
    """Bad input or settings: the message names the file or key and the cure, in one sentence or two."""


class ImageError(HndescError):
    """A photo that cannot be read; benchmarks may count it as a failure instead of stopping."""
