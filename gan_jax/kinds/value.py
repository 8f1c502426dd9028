"""Numbers that belong to an example and are passed on as they are."""

from gan_jax.kinds import Kind


class Value(Kind):
    """Pass on numbers [B, ...]."""


KIND = Value()
