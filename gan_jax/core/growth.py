"""How far a network has grown: a number that it reads beside its parameters.

A level of i is the network of stages 0 to i; at i + a, with 0 < a < 1, stage i + 1 has a share of a
(Karras et al. 2018, arXiv:1710.10196, figure 2).
"""

import jax

from gan_jax.core.state import Net

COLLECTION = 'growth'


def at_level(net: Net, level: jax.Array) -> Net:
    """Return a net, and the average that is kept of it, at a level."""
    growth = {COLLECTION: {'level': level}}
    ema = None if net.ema is None else {**net.ema, **growth}
    return net.replace(extra={**net.extra, **growth}, ema=ema)
