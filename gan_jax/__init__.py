"""GANs in JAX: trained by one command, repeatable to the bit."""

from gan_jax.modes.inference import Trained, load

__all__ = ['Trained', 'load']
