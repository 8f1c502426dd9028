"""SNGAN and BigGAN at 32x32 in PyTorch, as its users write them, for compare.py.

Residual blocks as published (arXiv:1802.05957, arXiv:1809.11096): the shortcut is resized before
its 1x1 convolution, nearest neighbours enlarge, averages reduce, and PyTorch's own parametrisation
normalises spectrally.
"""

import torch
import torch_gan
from torch import nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm as sn


def double(x: torch.Tensor) -> torch.Tensor:
    """Enlarge images by nearest neighbours."""
    return F.interpolate(x, scale_factor=2)


class ClassNorm(nn.Module):
    """Normalise by the batch; a vector of class and z sets scale and offset."""

    def __init__(self, channels: int, told: int):
        super().__init__()
        self.norm = nn.BatchNorm2d(channels, affine=False)
        self.scale = sn(nn.Linear(told, channels, bias=False))
        self.offset = sn(nn.Linear(told, channels, bias=False))

    def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        scale, offset = self.scale(y)[:, :, None, None], self.offset(y)[:, :, None, None]
        return self.norm(x) * (1 + scale) + offset


class Plain(nn.BatchNorm2d):
    """Normalise by the batch; nothing is told."""

    def forward(self, x: torch.Tensor, y: torch.Tensor | None) -> torch.Tensor:
        del y
        return super().forward(x)


class Up(nn.Module):
    """Double images in a residual block; told: length of what its normalisations are told."""

    def __init__(self, before: int, after: int, told: int = 0):
        super().__init__()
        wrap = sn if told else (lambda layer: layer)
        norms = [ClassNorm(c, told) if told else Plain(c) for c in (before, after)]
        self.norms = nn.ModuleList(norms)
        self.conv_1 = wrap(nn.Conv2d(before, after, 3, padding=1))
        self.conv_2 = wrap(nn.Conv2d(after, after, 3, padding=1))
        self.shortcut = wrap(nn.Conv2d(before, after, 1))

    def forward(self, x: torch.Tensor, y: torch.Tensor | None = None) -> torch.Tensor:
        h = self.conv_1(double(F.relu(self.norms[0](x, y))))
        h = self.conv_2(F.relu(self.norms[1](h, y)))
        return h + self.shortcut(double(x))


class Down(nn.Module):
    """Halve images in a residual block, where `halve`; the first one reads the image as it is."""

    def __init__(self, before: int, after: int, halve: bool, first: bool = False):
        super().__init__()
        self.halve, self.first = halve, first
        self.conv_1 = sn(nn.Conv2d(before, after, 3, padding=1))
        self.conv_2 = sn(nn.Conv2d(after, after, 3, padding=1))
        learnt = halve or before != after
        self.shortcut = sn(nn.Conv2d(before, after, 1)) if learnt else nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = self.conv_1(x if self.first else F.relu(x))
        h = self.conv_2(F.relu(h))
        if not self.halve:
            return h + self.shortcut(x)
        if self.first:
            return F.avg_pool2d(h, 2) + self.shortcut(F.avg_pool2d(x, 2))
        return F.avg_pool2d(h, 2) + F.avg_pool2d(self.shortcut(x), 2)


class Attention(nn.Module):
    """Let each pixel read all others (arXiv:1805.08318)."""

    def __init__(self, channels: int):
        super().__init__()
        n = channels
        self.query, self.key = (sn(nn.Conv2d(n, n // 8, 1, bias=False)) for _ in range(2))
        self.value = sn(nn.Conv2d(n, n // 2, 1, bias=False))
        self.out = sn(nn.Conv2d(n // 2, n, 1, bias=False))
        self.gamma = nn.Parameter(torch.zeros(()))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        q = self.query(x).flatten(2)
        k = F.max_pool2d(self.key(x), 2).flatten(2)
        v = F.max_pool2d(self.value(x), 2).flatten(2)
        weights = (q.transpose(1, 2) @ k).softmax(-1)
        found = (v @ weights.transpose(1, 2)).view(len(x), -1, *x.shape[2:])
        return x + self.gamma * self.out(found)


class Generator(nn.Module):
    """Make 32x32 images; with classes BigGAN's, else SNGAN's."""

    def __init__(self, width: int, z_dim: int, classes: int = 0, shared: int = 128):
        super().__init__()
        self.width, self.parts = width, 4 if classes else 1
        part = z_dim // self.parts
        told = shared + part if classes else 0
        wrap = sn if classes else (lambda layer: layer)
        self.label = nn.Embedding(classes, shared) if classes else None
        self.stem = wrap(nn.Linear(part, 16 * width))
        self.blocks = nn.ModuleList(Up(width, width, told) for _ in range(3))
        self.attention = Attention(width) if classes else nn.Identity()
        self.norm = nn.BatchNorm2d(width)
        self.out = wrap(nn.Conv2d(width, 3, 3, padding=1))

    def forward(self, z: torch.Tensor, y: torch.Tensor | None = None) -> torch.Tensor:
        first, *parts = z.flatten(1).chunk(self.parts, 1)
        x = self.stem(first).view(-1, self.width, 4, 4)
        for i, block in enumerate(self.blocks):
            told = None if y is None else torch.cat([self.label(y), parts[i]], 1)
            x = block(x, told)
            x = self.attention(x) if i == 1 else x
        return torch.tanh(self.out(F.relu(self.norm(x))))


class Discriminator(nn.Module):
    """Judge 32x32 images; with classes BigGAN's, which attends and projects, else SNGAN's."""

    def __init__(self, width: int, classes: int = 0):
        super().__init__()
        self.first = Down(3, width, True, first=True)
        self.attention = Attention(width) if classes else nn.Identity()
        self.rest = nn.Sequential(*(Down(width, width, i == 0) for i in range(3)))
        self.logit = sn(nn.Linear(width, 1))
        self.label = sn(nn.Embedding(classes, width)) if classes else None

    def forward(self, x: torch.Tensor, y: torch.Tensor | None = None) -> torch.Tensor:
        x = F.relu(self.rest(self.attention(self.first(x)))).sum((2, 3))
        logits = self.logit(x)[:, 0]
        return logits if y is None else logits + (self.label(y) * x).sum(1)


class SNGAN(torch_gan.Trainer):
    """Train with the hinge loss."""

    def networks(self) -> tuple[nn.Module, nn.Module]:
        return Generator(self.case.g[0], self.case.z_dim), Discriminator(self.case.d[0])

    def d_loss(self, real: torch.Tensor, fake: torch.Tensor) -> torch.Tensor:
        return F.relu(1 - self.d(real)).mean() + F.relu(1 + self.d(fake)).mean()

    def g_loss(self, fake: torch.Tensor, real: torch.Tensor) -> torch.Tensor:
        del real
        return -self.d(fake).mean()


class BigGAN(SNGAN):
    """Train with the hinge loss and labels: as many random ones as there are images."""

    def networks(self) -> tuple[nn.Module, nn.Module]:
        g = Generator(self.case.g[0], self.case.z_dim, classes=10)
        return g, Discriminator(self.case.d[0], classes=10)

    def labels(self) -> torch.Tensor:
        """Return a batch of labels."""
        return torch.randint(0, 10, (self.case.batch,), device=self.device)

    def make(self) -> torch.Tensor:
        self.fake_labels = self.labels()
        return self.g(self.codes(), self.fake_labels)

    def d_loss(self, real: torch.Tensor, fake: torch.Tensor) -> torch.Tensor:
        on_real, on_fake = self.d(real, self.labels()), self.d(fake, self.fake_labels)
        return F.relu(1 - on_real).mean() + F.relu(1 + on_fake).mean()

    def g_loss(self, fake: torch.Tensor, real: torch.Tensor) -> torch.Tensor:
        del real
        return -self.d(fake, self.fake_labels).mean()
