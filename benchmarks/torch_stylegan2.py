"""StyleGAN2 in PyTorch without custom kernels, as its users write it, for compare.py.

From the paper (arXiv:1912.04958): weights demodulated for each image and applied by one grouped
convolution, filters as depthwise convolutions, a skip generator, a residual discriminator, and R1
and path length as updates of their own.
"""

import itertools
import math

import torch
import torch_gan
from torch import nn
from torch.nn import functional as F

TAPS = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8
R1_EVERY, PATH_EVERY = 16, 4
B2 = 0.99


def activate(x: torch.Tensor, bias: torch.Tensor | None = None) -> torch.Tensor:
    """Add a bias to channels, and return what keeps the variance of a leaky ReLU."""
    if bias is not None:
        x = x + bias.view(1, -1, *[1] * (x.ndim - 2))
    return F.leaky_relu(x, 0.2) * math.sqrt(2)


def blur(x: torch.Tensor, kernel: torch.Tensor, pad: tuple[int, int]) -> torch.Tensor:
    """Filter each channel of images [B, C, H, W]."""
    n = x.shape[1]
    x = F.pad(x, (*pad, *pad))
    return F.conv2d(x, kernel.to(x.dtype).expand(n, 1, 4, 4), groups=n)


class Dense(nn.Module):
    """Scale N(0, 1) weights at run time; multiplier: of the learning rate."""

    def __init__(self, before: int, after: int, bias: float = 0.0, multiplier: float = 1.0):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(after, before) / multiplier)
        self.bias = nn.Parameter(torch.full((after,), bias / multiplier))
        self.scale, self.multiplier = multiplier / math.sqrt(before), multiplier

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.linear(x, self.weight * self.scale, self.bias * self.multiplier)


class Filtered(nn.Module):
    """A layer that has the filter [1, 3, 3, 1] in both directions."""

    def __init__(self):
        super().__init__()
        self.register_buffer('kernel', torch.outer(TAPS, TAPS)[None, None])


class Modulated(Filtered):
    """Convolve each image by weights of its own, which styles scale."""

    def __init__(self, before: int, after: int, w_dim: int, size: int, up: bool = False):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(after, before, size, size))
        self.styles = Dense(w_dim, before, bias=1.0)
        self.scale, self.size, self.up = 1 / math.sqrt(before * size**2), size, up

    def forward(self, x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        b, c, height, width = x.shape
        weight = self.weight * self.scale * self.styles(w).view(b, 1, c, 1, 1)
        if self.size > 1:
            weight = weight * (weight.square().sum((2, 3, 4), keepdim=True) + 1e-8).rsqrt()
        out = weight.shape[1]
        x = x.reshape(1, b * c, height, width)
        if not self.up:
            weight = weight.reshape(b * out, c, self.size, self.size)
            x = F.conv2d(x, weight, padding=self.size // 2, groups=b)
            return x.view(b, out, height, width)
        weight = weight.transpose(1, 2).reshape(b * c, out, self.size, self.size)
        x = F.conv_transpose2d(x, weight, stride=2, groups=b)
        return blur(x.view(b, out, *x.shape[2:]), 4 * self.kernel, (1, 1))


class Styled(nn.Module):
    """Convolve by styles, add noise, and activate."""

    def __init__(self, before: int, after: int, w_dim: int, up: bool = False):
        super().__init__()
        self.conv = Modulated(before, after, w_dim, 3, up)
        self.noise = nn.Parameter(torch.zeros(()))
        self.bias = nn.Parameter(torch.zeros(after))

    def forward(self, x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        x = self.conv(x, w)
        noise = torch.randn(len(x), 1, *x.shape[2:], device=x.device)
        return activate(x + self.noise * noise, self.bias)


class Image(nn.Module):
    """Make an image of channels, pixel by pixel."""

    def __init__(self, before: int, w_dim: int):
        super().__init__()
        self.conv = Modulated(before, 3, w_dim, 1)
        self.bias = nn.Parameter(torch.zeros(1, 3, 1, 1))

    def forward(self, x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        return self.conv(x, w) + self.bias


class Generator(Filtered):
    """Map z to w, and ws [B, layers, n] to images that each stage adds to."""

    def __init__(self, widths: tuple[int, ...], z_dim: int, mixing: float = 0.9):
        super().__init__()
        self.layers, self.mixing = 2 * len(widths), mixing
        self.dense = nn.ModuleList(Dense(z_dim, z_dim, multiplier=0.01) for _ in range(2))
        self.const = nn.Parameter(torch.randn(1, widths[0], 4, 4))
        pairs = list(zip((widths[0], *widths[:-1]), widths, strict=True))
        self.ups = nn.ModuleList(Styled(a, b, z_dim, up=True) for a, b in pairs[1:])
        self.convs = nn.ModuleList(Styled(b, b, z_dim) for _, b in pairs)
        self.images = nn.ModuleList(Image(b, z_dim) for _, b in pairs)
        self.register_buffer('w_mean', torch.zeros(z_dim))

    def mapping(self, z: torch.Tensor) -> torch.Tensor:
        """Return w of z [B, n]."""
        w = z * (z.square().mean(1, keepdim=True) + 1e-8).rsqrt()
        for layer in self.dense:
            w = activate(layer(w))
        return w

    def styles(self, z: torch.Tensor) -> torch.Tensor:
        """Return w of each layer, mixed from some layer on in a share of the images."""
        w, other = self.mapping(z), self.mapping(torch.randn_like(z))
        self.w_mean.lerp_(w.detach().mean(0), 0.005)
        cut = torch.randint(1, self.layers, (len(z), 1), device=z.device)
        cut[torch.rand(len(z), 1, device=z.device) >= self.mixing] = self.layers
        own = torch.arange(self.layers, device=z.device)[None] < cut
        return torch.where(own[..., None], w[:, None], other[:, None])

    def synthesis(self, ws: torch.Tensor) -> torch.Tensor:
        """Return images of ws."""
        x = self.convs[0](self.const.expand(len(ws), -1, -1, -1), ws[:, 0])
        image = self.images[0](x, ws[:, 1])
        for i in range(1, len(self.convs)):
            x = self.ups[i - 1](x, ws[:, 2 * i - 1])
            x = self.convs[i](x, ws[:, 2 * i])
            n = image.shape[1]
            kernel = (4 * self.kernel).expand(n, 1, 4, 4)
            image = F.conv_transpose2d(image, kernel, stride=2, padding=1, groups=n)
            image = image + self.images[i](x, ws[:, 2 * i + 1])
        return image

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        return self.synthesis(self.styles(z.flatten(1)))


class Conv(Filtered):
    """Convolve with weights scaled at run time; down: filtered first, with stride 2."""

    def __init__(self, before: int, after: int, size: int, down: bool = False):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(after, before, size, size))
        self.scale, self.size, self.down = 1 / math.sqrt(before * size**2), size, down

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        weight = self.weight * self.scale
        if not self.down:
            return F.conv2d(x, weight, padding=self.size // 2)
        pad = (1, 1) if self.size == 1 else (2, 2)
        return F.conv2d(blur(x, self.kernel, pad), weight, stride=2)


class Active(nn.Module):
    """Convolve and activate."""

    def __init__(self, before: int, after: int, size: int, down: bool = False):
        super().__init__()
        self.conv, self.bias = Conv(before, after, size, down), nn.Parameter(torch.zeros(after))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return activate(self.conv(x), self.bias)


class Block(nn.Module):
    """Halve images in a residual block."""

    def __init__(self, before: int, after: int):
        super().__init__()
        self.convs = nn.Sequential(Active(before, before, 3), Active(before, after, 3, down=True))
        self.shortcut = Conv(before, after, 1, down=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (self.convs(x) + self.shortcut(x)) / math.sqrt(2)


class Discriminator(nn.Module):
    """Judge images, with the deviation over groups of four."""

    def __init__(self, widths: tuple[int, ...]):
        super().__init__()
        down = widths[::-1]
        blocks = [Block(a, b) for a, b in itertools.pairwise(down)]
        self.blocks = nn.Sequential(Active(3, down[0], 1), *blocks)
        self.conv = Active(down[-1] + 1, down[-1], 3)
        self.dense, self.logit = Dense(16 * down[-1], down[-1]), Dense(down[-1], 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.blocks(x)
        b, c, h, w = x.shape
        groups = x.reshape(-1, 4, c, h, w)
        deviation = (groups.var(1, unbiased=False) + 1e-8).sqrt().mean((1, 2, 3))
        channel = deviation.repeat_interleave(4).view(b, 1, 1, 1).expand(b, 1, h, w)
        x = self.conv(torch.cat([x, channel], 1))
        return self.logit(activate(self.dense(x.flatten(1))))[:, 0]


class StyleGAN2(torch_gan.Trainer):
    """Train with the nonsaturating loss, lazy R1 and path length, and an average of the weights."""

    def __init__(self, case: torch_gan.Case, mode: str = 'eager', **options):
        super().__init__(case, mode, **options)
        self.tx_g, self.tx_d = self.adam(self.g, PATH_EVERY), self.adam(self.d, R1_EVERY)
        self.steps, self.path = 0, torch.zeros((), device=self.device)
        self.average = [x.detach().clone() for x in self.g.parameters()]

    def networks(self) -> tuple[nn.Module, nn.Module]:
        return Generator(self.case.g, self.case.z_dim), Discriminator(self.case.d)

    def adam(self, net: nn.Module, every: int) -> torch.optim.Adam:
        """Return an optimiser corrected for an update more in so many."""
        ratio, case = every / (every + 1), self.case
        betas = (case.b1**ratio, B2**ratio)
        return torch.optim.Adam(net.parameters(), case.lr * ratio, betas)

    def batch(self) -> torch.Tensor:
        images = super().batch()
        flip = torch.rand(len(images), 1, 1, 1, device=self.device) < 0.5
        return torch.where(flip, images.flip(3), images)

    def update(self, tx: torch.optim.Optimizer, loss: torch.Tensor) -> None:
        """Take one step of an optimiser."""
        tx.zero_grad(set_to_none=True)
        loss.backward()
        tx.step()

    def step(self) -> None:
        real, due = self.batch(), self.steps
        self.g.requires_grad_(False)
        with torch.no_grad():
            fake = self.make()
        self.update(self.tx_d, F.softplus(self.d(fake)).mean() + F.softplus(-self.d(real)).mean())
        if due % R1_EVERY == 0:
            self.update(self.tx_d, R1_EVERY * self.r1(real))
        self.g.requires_grad_(True)
        self.d.requires_grad_(False)
        self.update(self.tx_g, F.softplus(-self.d(self.make())).mean())
        if due % PATH_EVERY == 0:
            self.update(self.tx_g, PATH_EVERY * self.path_length())
        self.d.requires_grad_(True)
        torch._foreach_lerp_(self.average, [x.detach() for x in self.g.parameters()], 0.001)
        self.steps += 1

    def r1(self, real: torch.Tensor) -> torch.Tensor:
        """Return the penalty on the gradient at real images."""
        real = real.detach().requires_grad_()
        (slope,) = torch.autograd.grad(self.d(real).sum(), real, create_graph=True)
        return self.case.penalty / 2 * slope.square().sum((1, 2, 3)).mean()

    def path_length(self) -> torch.Tensor:
        """Return the penalty on the lengths of half a batch."""
        ws = self.g.styles(self.codes()[::2].flatten(1))
        images = self.g.synthesis(ws)
        noise = torch.randn_like(images) / math.sqrt(images.shape[2] * images.shape[3])
        (slope,) = torch.autograd.grad((images * noise).sum(), ws, create_graph=True)
        lengths = slope.square().sum(2).mean(1).sqrt()
        mean = self.path.lerp(lengths.mean(), 0.01)
        self.path = mean.detach()
        return 2 * (lengths - mean).square().mean()
