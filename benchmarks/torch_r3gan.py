"""R3GAN at 32x32 in PyTorch, as its users write it, for compare.py (arXiv:2501.05441)."""

import itertools
import math

import torch
import torch_gan
from torch import nn
from torch.nn import functional as F

TAPS = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8


def conv(before: int, after: int, kernel: int, groups: int = 1, bias: bool = False) -> nn.Conv2d:
    """Return a convolution that keeps the size."""
    return nn.Conv2d(before, after, kernel, padding=kernel // 2, groups=groups, bias=bias)


class Block(nn.Module):
    """Expand, mix in groups of 16 channels, project, and add."""

    def __init__(self, width: int):
        super().__init__()
        inner = 2 * width
        self.expand = conv(width, inner, 1, bias=True)
        self.mix = conv(inner, inner, 3, inner // 16, bias=True)
        self.project = conv(inner, width, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = F.leaky_relu(self.mix(F.leaky_relu(self.expand(x), 0.2)), 0.2)
        return x + self.project(h)


class Resample(nn.Module):
    """Double or halve images with the filter [1, 3, 3, 1] in both directions."""

    def __init__(self, up: bool):
        super().__init__()
        self.up = up
        self.register_buffer('kernel', torch.outer(TAPS, TAPS)[None, None])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        n = x.shape[1]
        kernel = self.kernel.expand(n, 1, 4, 4)
        if self.up:
            return F.conv_transpose2d(x, 4 * kernel, stride=2, padding=1, groups=n)
        return F.conv2d(x, kernel, stride=2, padding=1, groups=n)


class Generator(nn.Module):
    """Make images from a learnt one of 4x4 pixels."""

    def __init__(self, widths: tuple[int, ...], z_dim: int):
        super().__init__()
        self.basis = nn.Parameter(torch.randn(1, widths[0], 4, 4))
        self.scales = nn.Linear(z_dim, widths[0], bias=False)
        stages: list[nn.Module] = [Block(widths[0])]
        for before, after in itertools.pairwise(widths):
            wide = conv(before, after, 1) if before != after else nn.Identity()
            stages += [wide, Resample(up=True), Block(after)]
        self.stages = nn.Sequential(*stages, conv(widths[-1], 3, 1))

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        return self.stages(self.basis * self.scales(z.flatten(1))[:, :, None, None])


class Discriminator(nn.Module):
    """Judge images by a learnt weighted sum over what is left of 4x4 pixels."""

    def __init__(self, widths: tuple[int, ...]):
        super().__init__()
        backwards = widths[::-1]
        stages: list[nn.Module] = [conv(3, backwards[0], 1), Block(backwards[0])]
        for before, after in itertools.pairwise(backwards):
            wide = conv(before, after, 1) if before != after else nn.Identity()
            stages += [Resample(up=False), wide, Block(after)]
        self.stages = nn.Sequential(*stages)
        self.basis = nn.Parameter(torch.randn(1, widths[0], 4, 4) / math.sqrt(16))
        self.logit = nn.Linear(widths[0], 1, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.logit((self.stages(x) * self.basis).sum((2, 3)))[:, 0]


class R3GAN(torch_gan.Trainer):
    """Train with the relativistic pairing loss and both zero-centred penalties."""

    def networks(self) -> tuple[nn.Module, nn.Module]:
        return Generator(self.case.g, self.case.z_dim), Discriminator(self.case.d)

    def d_loss(self, real: torch.Tensor, fake: torch.Tensor) -> torch.Tensor:
        real, fake = real.requires_grad_(), fake.requires_grad_()
        on_real, on_fake = self.d(real), self.d(fake)
        loss = F.softplus(on_fake - on_real).mean()
        for logits, images in ((on_real, real), (on_fake, fake)):
            (slope,) = torch.autograd.grad(logits.sum(), images, create_graph=True)
            loss = loss + self.case.penalty / 2 * slope.square().sum((1, 2, 3)).mean()
        return loss

    def g_loss(self, fake: torch.Tensor, real: torch.Tensor) -> torch.Tensor:
        # the official loop freezes the discriminator here
        self.d.requires_grad_(False)
        loss = F.softplus(self.d(real.detach()) - self.d(fake)).mean()
        self.d.requires_grad_(True)
        return loss
