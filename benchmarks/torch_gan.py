"""The benchmarks' PyTorch side: the same networks and the same algorithm, as its users write them.

python benchmarks/torch_gan.py --case=dcgan64 [--mode=channels_last] [--device=cuda] [--batch=64]
    [--size=64] [--g=512,256,128,64] [--d=64,128,256,512] [--steps=50] [--json]

The training loop is that of the well-known examples (discriminator on real and on fake images,
then the generator), with images on the device as uint8, fused optimisers where there are any, and
no synchronisation in the loop. --mode: eager, channels_last, amp (bfloat16 autocast on top of
channels last) or compile (torch.compile on top of channels last).
"""

import argparse
import contextlib
import itertools
import json
import math
import statistics
import time
from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional as F

MODES = ('eager', 'channels_last', 'amp', 'compile')


class Case(NamedTuple):
    """Say what is trained; conv networks where g are widths, fully connected where mlp is set."""

    size: int
    channels: int
    z_dim: int
    g: tuple[int, ...]
    d: tuple[int, ...]
    batch: int
    lr: float = 2e-4
    b1: float = 0.5
    reuse_z: bool = False
    penalty: float = 0.0
    mlp: bool = False
    bias: bool = False


CASES = {
    'dcgan64': Case(64, 3, 100, (512, 256, 128, 64), (64, 128, 256, 512), 64, reuse_z=True),
    'dcgan32': Case(32, 3, 100, (128, 64, 32), (32, 64, 128), 128, bias=True),
    'wgan_gp32': Case(32, 3, 100, (128, 64, 32), (32, 64, 128), 128, penalty=10.0, bias=True),
    'sngan32': Case(32, 3, 128, (256,), (128,), 64, b1=0.0),
    'biggan32': Case(32, 3, 80, (384,), (192,), 16),
    'r3gan32': Case(32, 3, 64, (128, 128, 64, 32), (128, 128, 64, 32), 32, b1=0.0, penalty=0.05),
    'stylegan2_64': Case(
        64, 3, 512, (64, 64, 64, 64, 32), (64, 64, 64, 64, 32), 16, 2.5e-3, 0.0, penalty=0.0256
    ),
    'mlp28': Case(28, 1, 100, (32, 64, 128), (128, 64, 32), 64, 2e-3, 0.9, mlp=True),
}


def conv_generator(case: Case) -> nn.Sequential:
    """Return DCGAN's generator: transposed convolutions 4x4/2 after a first one from 1x1."""
    stem = case.size // 2 ** len(case.g)
    layers: list[nn.Module] = [nn.ConvTranspose2d(case.z_dim, case.g[0], stem, 1, 0, bias=False)]
    for before, after in zip(case.g, (*case.g[1:], 0), strict=True):
        layers += [nn.BatchNorm2d(before), nn.ReLU(True)]
        out = after or case.channels
        layers.append(nn.ConvTranspose2d(before, out, 4, 2, 1, bias=case.bias and not after))
    return nn.Sequential(*layers, nn.Tanh())


def conv_discriminator(case: Case) -> nn.Sequential:
    """Return DCGAN's discriminator; a critic with a gradient penalty has no batch norm."""
    layers: list[nn.Module] = []
    for i, (before, after) in enumerate(zip((case.channels, *case.d[:-1]), case.d, strict=True)):
        layers.append(nn.Conv2d(before, after, 4, 2, 1, bias=False))
        if i and not case.penalty:
            layers.append(nn.BatchNorm2d(after))
        layers.append(nn.LeakyReLU(0.2, inplace=True))
    last = nn.Conv2d(case.d[-1], 1, case.size // 2 ** len(case.d), bias=case.bias)
    return nn.Sequential(*layers, last, nn.Flatten(0))


def mlp(widths: tuple[int, ...]) -> list[nn.Module]:
    """Return fully connected layers with leaky ReLU and dropout between them."""
    layers: list[nn.Module] = []
    for before, after in itertools.pairwise(widths):
        layers += [nn.Linear(before, after), nn.LeakyReLU(0.2), nn.Dropout(0.3)]
    return layers[:-2]


def networks(case: Case) -> tuple[nn.Module, nn.Module]:
    """Return generator and discriminator of a case."""
    if not case.mlp:
        return conv_generator(case), conv_discriminator(case)
    shape = (case.channels, case.size, case.size)
    pixels = math.prod(shape)
    g = nn.Sequential(
        nn.Flatten(1), *mlp((case.z_dim, *case.g, pixels)), nn.Tanh(), nn.Unflatten(1, shape)
    )
    return g, nn.Sequential(nn.Flatten(1), *mlp((pixels, *case.d, 1)), nn.Flatten(0))


class Trainer:
    """Train a case's networks on random images that live on the device."""

    def __init__(
        self, case: Case, mode: str = 'channels_last', device: str = 'cpu', threads: int = 0
    ):
        self.threads = threads or torch.get_num_threads()
        self.case, self.device = case, torch.device(device)
        layout = torch.contiguous_format if mode == 'eager' else torch.channels_last
        self.layout = layout
        nets = [net.to(self.device, memory_format=layout) for net in self.networks()]
        fused = {'fused': True} if self.device.type == 'cuda' else {}
        options = {'lr': case.lr, 'betas': (case.b1, 0.999), **fused}
        self.tx_g, self.tx_d = (torch.optim.Adam(net.parameters(), **options) for net in nets)
        # second derivatives are not among what torch.compile can do
        compiled = mode == 'compile' and not case.penalty
        self.g, self.d = map(torch.compile, nets) if compiled else nets
        self.amp = (
            (lambda: torch.autocast(self.device.type, torch.bfloat16))
            if mode == 'amp'
            else contextlib.nullcontext
        )
        shape = (2048, case.channels, case.size, case.size)
        images = torch.randint(0, 256, shape, dtype=torch.uint8)
        self.images = images.to(self.device, memory_format=layout)
        # one-sided label smoothing of the fully connected example
        self.real = torch.full((case.batch,), 0.9 if case.mlp else 1.0, device=self.device)
        self.ones = torch.ones(case.batch, device=self.device)
        self.zeros = torch.zeros(case.batch, device=self.device)

    def networks(self) -> tuple[nn.Module, nn.Module]:
        """Return generator and discriminator."""
        return networks(self.case)

    def batch(self) -> torch.Tensor:
        """Return a batch of images in [-1, 1]."""
        where = torch.randint(0, len(self.images), (self.case.batch,), device=self.device)
        return self.images[where].to(memory_format=self.layout).float().mul_(2 / 255).sub_(1)

    def codes(self) -> torch.Tensor:
        """Return a batch of codes."""
        return torch.randn(self.case.batch, self.case.z_dim, 1, 1, device=self.device)

    def make(self) -> torch.Tensor:
        """Return a batch of made images."""
        with self.amp():
            return self.g(self.codes())

    @torch.no_grad()
    def sample(self, count: int) -> torch.Tensor:
        """Return so many images that the generator makes in evaluation mode."""
        self.g.eval()
        made = torch.cat([self.make() for _ in range(-(-count // self.case.batch))])[:count]
        self.g.train()
        return made

    def step(self) -> None:
        """Update the discriminator and the generator once."""
        real, fresh = self.batch(), not self.case.reuse_z
        with torch.set_grad_enabled(not fresh):
            fake = self.make()
        self.tx_d.zero_grad(set_to_none=True)
        self.d_loss(real, fake.detach()).backward()
        self.tx_d.step()
        self.tx_g.zero_grad(set_to_none=True)
        self.g_loss(self.make() if fresh else fake, real).backward()
        self.tx_g.step()

    def g_loss(self, fake: torch.Tensor, real: torch.Tensor) -> torch.Tensor:
        """Return the generator's loss."""
        del real
        with self.amp():
            logits = self.d(fake).float()
        return -logits.mean() if self.case.penalty else self.bce(logits, self.ones)

    def d_loss(self, real: torch.Tensor, fake: torch.Tensor) -> torch.Tensor:
        """Return the discriminator's loss on two batches."""
        with self.amp():
            on_real, on_fake = self.d(real).float(), self.d(fake).float()
        if self.case.penalty:
            return on_fake.mean() - on_real.mean() + self.case.penalty * self.slope(real, fake)
        return self.bce(on_real, self.real) + self.bce(on_fake, self.zeros)

    def slope(self, real: torch.Tensor, fake: torch.Tensor) -> torch.Tensor:
        """Return the gradient penalty between real and fake images."""
        mix = torch.rand(len(real), 1, 1, 1, device=self.device)
        between = torch.lerp(real, fake.float(), mix).requires_grad_()
        with self.amp():
            logits = self.d(between).float()
        (slope,) = torch.autograd.grad(logits.sum(), between, create_graph=True)
        return ((slope.flatten(1).norm(2, dim=1) - 1) ** 2).mean()

    def bce(self, logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Return the cross entropy of logits with targets."""
        return F.binary_cross_entropy_with_logits(logits, targets)

    def call(self, times: int = 1) -> float:
        """Take some steps; return the seconds until the last is done."""
        torch.set_num_threads(self.threads)
        start = time.perf_counter()
        for _ in range(times):
            self.step()
        if self.device.type == 'cuda':
            torch.cuda.synchronize()
        return time.perf_counter() - start


def main() -> None:
    """Print the seconds of a step."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--case', choices=CASES, default='dcgan64')
    parser.add_argument('--mode', choices=MODES, default='channels_last')
    parser.add_argument('--device', default='cuda' if torch.cuda.is_available() else 'cpu')
    for name in ('batch', 'size', 'steps'):
        parser.add_argument(f'--{name}', type=int)
    for name in ('g', 'd'):
        parser.add_argument(f'--{name}', type=lambda text: tuple(map(int, text.split(','))))
    parser.add_argument('--json', action='store_true')
    args = parser.parse_args()
    given = {k: v for k in ('batch', 'size', 'g', 'd') if (v := getattr(args, k))}
    case = CASES[args.case]._replace(**given)
    if args.device == 'cuda':
        # what a user who wants speed sets; jax does the same by default
        torch.backends.cudnn.benchmark = True
        torch.set_float32_matmul_precision('high')
        torch.backends.cudnn.allow_tf32 = True
    trainer = Trainer(case, args.mode, args.device)
    trainer.call(3)
    each = max(1, (args.steps or 50) // 5)
    seconds = statistics.median(trainer.call(each) / each for _ in range(5))
    peak = torch.cuda.max_memory_allocated() if args.device == 'cuda' else None
    result = {
        'seconds_per_step': seconds,
        'images_per_second': case.batch / seconds,
        'batch_size': case.batch,
        'peak_bytes': peak,
        'torch': torch.__version__,
    }
    print(json.dumps(result) if args.json else result)


if __name__ == '__main__':
    main()
