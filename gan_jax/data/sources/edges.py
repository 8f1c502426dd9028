"""Images and the lines that can be drawn of them: their edges by Canny (1986, IEEE PAMI 8:6)."""

import numpy as np
from scipy import ndimage

from gan_jax.core import keys
from gan_jax.data.geometry import Geometry, convert
from gan_jax.data.keys import GEOMETRY, ON_ERROR, PATH, SPLIT
from gan_jax.data.protocol import Example, Field, Spec
from gan_jax.data.sources import folder
from gan_jax.errors import UserError

KEYS = {
    **PATH,
    **SPLIT,
    **GEOMETRY,
    **ON_ERROR,
    'sigma': keys.number(
        1.5, 'Deviation of the Gaussian that smooths before edges, in pixels.', low=0, high=100
    ),
    'low': keys.number(0.02, 'Slope, of 1 a pixel from black to white, of an edge.', above=0),
    'high': keys.number(0.04, 'Slope that each edge reaches somewhere.', above=0),
}


class Source(folder.Source):
    """Give 'input', black lines on white uint8 [H, W, 1], and 'target', the image, of each file.

    The images are read as by `folder`, below a folder, zip or tar; lines are of what crop and
    resize have left of them. sigma, low, high: see `canny`.
    """

    def __init__(
        self,
        path: str = '',
        split: str = '',
        fit: Geometry | None = None,
        on_error: str = 'raise',
        sigma: float = 1.5,
        low: float = 0.02,
        high: float = 0.04,
    ):
        if low > high:
            raise UserError(
                f'config.data.low={low} is not allowed: it must be at most config.data.high={high}'
            )
        super().__init__(path, split, fit, 'none', on_error)
        self.options = sigma, low, high
        image = self.spec.fields['image']
        drawn = Field((*image.shape[:2], 1))
        self.spec = Spec({'input': drawn, 'target': image}, 'target')

    def __getitem__(self, index: int) -> Example:
        image = super().__getitem__(index)['image']
        gray = convert(image, 1, self.geometry.background)[..., 0]
        edges = canny(gray / np.iinfo(image.dtype).max, *self.options)
        return {'input': np.where(edges, 0, 255).astype(np.uint8)[..., None], 'target': image}


def canny(brightness: np.ndarray, sigma: float, low: float, high: float) -> np.ndarray:
    """Return whether each pixel [H, W] is on an edge, lines being one pixel wide.

    brightness: [H, W], 0 black and 1 white. It is smoothed by a Gaussian of deviation sigma, in
    pixels, and its gradient taken by Sobel's operators, divided by 8: changes a pixel. Beyond the
    border lies the nearest pixel. A pixel is of a line where its slope is no less than those one
    pixel up and down the gradient, which are interpolated linearly. Of the lines, pixels of slope
    low or more that hang together, corners included, those stay that have a slope of high or more.
    """
    smooth = ndimage.gaussian_filter(brightness.astype(np.float64), sigma, mode='nearest')
    gradient = np.stack([ndimage.sobel(smooth, axis, mode='nearest') for axis in (0, 1)]) / 8
    # rounded, so that what is equal by symmetry is equal on every machine
    slope = np.hypot(*gradient).round(9)
    step = gradient / np.maximum(slope, 1e-9)
    up, down = (
        ndimage.map_coordinates(slope, np.indices(slope.shape) + way, order=1, mode='nearest')
        for way in (step, -step)
    )
    # of two equal neighbours the darker one, so that a line is not two pixels wide
    line = (slope >= low) & (slope >= up.round(9)) & (slope > down.round(9))
    parts, n = ndimage.label(line, np.ones((3, 3)))
    strong = np.zeros(n + 1, bool)
    strong[parts[line & (slope >= high)]] = True
    return strong[parts]
