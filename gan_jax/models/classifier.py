"""A small convolutional classifier, for metrics on images that ImageNet's networks do not know."""

import flax.linen as nn
import jax

from gan_jax.core import keys
from gan_jax.core.keys import field
from gan_jax.errors import UserError
from gan_jax.nn.conv import Conv
from gan_jax.nn.network import Network
from gan_jax.nn.resample import maxpool


class Classifier(Network):
    """Map images [B, H, W, C] to (features [B, hidden], logits [B, num_classes]).

    Each of `widths` is a 3x3 convolution, normalised, activated, and a 2x2 max pooling. The
    features are the activations of the one hidden layer.
    """

    widths: tuple[int, ...] = field(keys.counts((32, 64, 128), 'Channels of each convolution.'))
    hidden: int = field(keys.count(128, 'Units of the hidden layer, which are the features.'))
    norm: str | tuple[str, ...] = 'batch'
    dropout: float | tuple[float, ...] = 0.0
    weight_init: str = 'glorot'

    def depth(self) -> int:
        """Return the number of hidden layers."""
        return len(self.widths) + 1

    def check(self) -> None:
        """Raise UserError where there is nothing to classify, or too little image."""
        super().check()
        if self.num_classes < 2:
            raise UserError(f'a classifier needs at least 2 classes, not {self.num_classes}')
        if min(self.shape[:2]) < 2 ** len(self.widths):
            raise UserError(
                f'images of {self.shape[0]}x{self.shape[1]} cannot be halved {len(self.widths)} '
                'times; take fewer widths'
            )

    @nn.compact
    def __call__(
        self, images: jax.Array, *, train: bool, keys: jax.Array | None = None
    ) -> tuple[jax.Array, jax.Array]:
        x = images
        for i, features in enumerate(self.widths):
            x = Conv(features, 3, **self.weights(), name=f'layer_{i}')(x)
            x = self.finish(x, i, train, keys)
            x = maxpool(x, 2)
        last = len(self.widths)
        x = self.dense(self.hidden, f'layer_{last}')(x.reshape(len(x), -1))
        x = self.finish(x, last, train, keys)
        return x, self.dense(self.num_classes, 'out')(x)
