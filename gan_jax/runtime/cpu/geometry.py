"""The geometry of a convolution."""

from typing import NamedTuple


class Geometry(NamedTuple):
    """What a convolution is beside its arrays: x is its input, w its kernel, y its output."""

    size: tuple[int, ...]  # height and width of x
    kernel: tuple[int, ...]
    stride: int
    low: tuple[int, ...]  # padding before each axis of x
    out: tuple[int, ...]  # height and width of y

    def high(self, axis: int) -> int:
        """Return the padding after an axis of x, negative where its end is never read."""
        reach = (self.out[axis] - 1) * self.stride + self.kernel[axis]
        return reach - self.low[axis] - self.size[axis]

    def transposed(self) -> 'Geometry':
        """Return the geometry with x and y in each other's place, for a stride of 1.

        Its kernel is this one's, turned by half a turn, with its channels swapped.
        """
        low = tuple(k - 1 - p for k, p in zip(self.kernel, self.low, strict=True))
        return Geometry(self.out, self.kernel, 1, low, self.size)
