"""Keys of config.data: those of the pipeline, and those that several sources read."""

from gan_jax.core import keys
from gan_jax.data.geometry import FILTERS, MODES
from gan_jax.kinds.image import RANGES

# A source's KEYS; another source may have keys of its own, declared in its module.
PATH = {
    'path': keys.path(
        '', 'File or folder of the data; its content is compared on resume.', learns=False
    )
}
SPLIT = {'split': keys.text('', "Part of the data, such as 'train'; '' for the source's own.")}
COLUMN = {'column': keys.text('', "Name of the images where there are several; '' for the first.")}
FIELDS = {'fields': keys.text('', "Further fields of an example, with commas between; or 'all'.")}
LABELS = {'labels': keys.text('auto', "'auto', 'none', the name of a CSV, or that of a field.")}
DATASET = {'dataset': keys.text('', 'Name of the data set.')}
ON_ERROR = {
    'on_error': keys.choice(
        'raise', ('raise', 'skip'), 'Whether a bad example ends the run or is left out.'
    )
}
GEOMETRY = {
    'size': keys.text('', "64, HxW like 64x96, or '' for as they are."),
    'crop': keys.text('center', "'center', 'none', or a box X,Y,W,H in pixels."),
    'resize': keys.choice('lanczos', tuple(FILTERS), 'Filter of resizing.'),
    'channels': keys.count(
        0, '1 gray, 2 gray and alpha, 3 RGB, 4 RGBA; 0 for as they are.', low=0, high=max(MODES)
    ),
    'background': keys.text('white', 'Colour that alpha is flattened on.'),
}
# for arrays, which have no alpha to flatten
PLAIN = {k: v for k, v in GEOMETRY.items() if k != 'background'}
RANGE = {'range': keys.choice('[-1,1]', tuple(RANGES), 'What networks see of images.')}
# what the pipeline reads, whatever the source
PIPELINE = {
    **ON_ERROR,
    **RANGE,
    'transforms': keys.text('', "Random ones of images: 'flip', 'crop:256', 'jitter:286,256'."),
    'labelled': keys.count(
        0, 'Examples that keep their label, as many of each class; 0 for all.', low=0
    ),
    'labelled_draw': keys.count(0, 'Which of the draws of labelled examples.', low=0),
    'unlabelled': keys.flag(True, 'Whether the examples without their label come, too.'),
    'dequantise': keys.flag(False, 'Whether uniform noise of one level is added to images.'),
    'device_cache_mb': keys.count(
        1024, 'Sets of up to so many MiB live on the device.', low=0, learns=False
    ),
    'workers': keys.count(
        0, 'Processes that read a streamed set ahead.', low=0, high=256, learns=False
    ),
    'threads': keys.count(
        0, 'Threads that read; 0 for one a core.', low=0, high=1024, learns=False
    ),
}
