"""Networks that others have trained and published, made runs of this package.

`python -m gan_jax.pretrained` is the command; see docs/pretrained.md.
"""
