"""GANs in JAX: trained by one command, repeatable to the bit."""

from gan_jax.training.inference import Trained, load

__all__ = ['Trained', 'load']
