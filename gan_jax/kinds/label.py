"""Class numbers, -1 where they are unknown."""

from gan_jax.kinds import Kind

# The stream of the labelled examples alone, beside that of all examples.
LABELLED = 'labelled'


class Label(Kind):
    """Pass on class numbers int32 [B]."""


KIND = Label()
