"""GANs in JAX: trained by one command, repeatable to the bit."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gan_jax.training.inference import Trained, load

__all__ = ['Trained', 'load']


def __getattr__(name: str) -> Any:
    """Return `Trained` or `load`; jax is not imported before, so that signals can be caught."""
    if name not in __all__:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    from gan_jax.training import inference

    return getattr(inference, name)
