"""Class numbers, -1 where they are unknown."""

from gan_jax.kinds import Kind


class Label(Kind):
    """Pass on class numbers int32 [B]."""


KIND = Label()
