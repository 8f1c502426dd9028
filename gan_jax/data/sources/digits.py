"""The 1,797 handwritten digits of scikit-learn, 8x8 gray, no download (Alpaydin, 1998)."""

from gan_jax.data.geometry import Geometry
from gan_jax.data.in_memory import InMemory
from gan_jax.data.keys import LABELS, PLAIN

KEYS = {**LABELS, **PLAIN}


class Source(InMemory):
    """Serve the digits with their labels, scaled from 0..16 to 0..255."""

    def __init__(
        self,
        fit: Geometry | None = None,
        labels: str = 'auto',
    ):
        # sklearn is slow to import
        from sklearn.datasets import load_digits

        digits = load_digits()
        images = (digits.images * (255 / 16)).round().astype('uint8')[:, :, :, None]
        numbers = None if labels == 'none' else digits.target
        super().__init__(images, numbers, fit or Geometry(), 'digits')
