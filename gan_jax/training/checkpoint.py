"""Checkpoints by Orbax: asynchronous, atomic, checked by digest, the damaged ones passed over."""

import logging
import os
import pathlib
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp
from orbax.checkpoint.checkpoint_managers import preservation_policy as policy

from gan_jax.errors import UserError
from gan_jax.runtime import parallel
from gan_jax.training import record

log = logging.getLogger('gan_jax')

# The name of a checkpoint, before its step, that is being replaced.
REPLACED = 'replaced-'


class Checkpoints:
    """Save and restore pytrees of arrays by step, in a folder.

    Kept are the last `keep`, those at multiples of `keep_every` steps (0 for none), and the best
    by the score named `best` ('' for none), where `best_mode` is 'min' or 'max'.
    """

    def __init__(
        self,
        folder: pathlib.Path,
        *,
        keep: int = 1,
        keep_every: int = 0,
        best: str = '',
        best_mode: str = 'min',
        read_only: bool = False,
    ):
        rules: list[Any] = [policy.LatestN(keep)]
        if keep_every:
            rules.append(policy.EveryNSteps(keep_every))
        if best:
            rules.append(
                policy.BestN(
                    get_metric_fn=lambda scores: scores[best],
                    reverse=best_mode == 'min',
                    n=1,
                    keep_checkpoints_without_metrics=False,
                )
            )
        self.best = best
        self.folder = folder
        self.failed = False
        if not read_only:
            self._restore_replaced()
        self.manager = ocp.CheckpointManager(
            folder.absolute(),
            options=ocp.CheckpointManagerOptions(
                preservation_policy=policy.AnyPreservationPolicy(rules),
                # without it the scores would not be on disk for a resumed run
                best_fn=(lambda scores: scores[best]) if best else None,
                create=not read_only,
                read_only=read_only,
            ),
        )

    def __enter__(self) -> 'Checkpoints':
        return self

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        if self.failed:
            return  # Orbax would wait for ever for threads that have died
        try:
            with self._writing():
                self.manager.close()
        except UserError:
            # the first error is the one to report
            if error is None:
                raise

    def steps(self) -> list[int]:
        """Return the steps that there are checkpoints of, in order."""
        return sorted(self.manager.all_steps())

    def save(
        self, step: int, tree: Any, meta: dict[str, Any], scores: dict[str, float] | None = None
    ) -> None:
        """Write a checkpoint in the background; `tree` may be donated once this returns.

        Raises:
          UserError: this one, or the one before, cannot be written.
        """
        if step in self.manager.all_steps():
            return
        host = jax.tree.map(np.array, jax.device_get(tree))
        scored = {self.best: scores[self.best]} if scores and self.best in scores else None
        args = ocp.args.Composite(
            tree=ocp.args.PyTreeSave(host),
            meta=ocp.args.JsonSave(record.make(step, host, meta)),
        )
        with self._writing():
            self.manager.save(step, args=args, metrics=scored)

    def wait(self) -> None:
        """Return once everything is on disk; raise UserError where it cannot be."""
        with self._writing():
            self.manager.wait_until_finished()

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Turn what a full or broken disk makes Orbax and TensorStore raise into a UserError."""
        try:
            yield
        except (OSError, ValueError, RuntimeError) as error:
            code = re.search(r"os_error_code='(\d+)'", str(error))
            reason = os.strerror(int(code[1])) if code else _line(error)
            self.failed = True
            raise UserError(
                f'no checkpoint can be written in {self.folder}: {reason}; those before are kept'
            ) from error

    def meta(self, step: int | None = None) -> dict[str, Any]:
        """Return what was saved beside the arrays at a step, or at the newest that can be read.

        Raises:
          UserError: there is no such checkpoint, or none can be read.
        """
        return self._first(step, lambda s: self._meta(s)[0])[1]

    def restore(self, template: Any, step: int | None = None) -> tuple[int, Any, dict[str, Any]]:
        """Return (step, tree of host arrays, meta) of one checkpoint, or of the newest sound one.

        Each checkpoint that cannot be read, or whose digest differs, is reported by name.

        Raises:
          UserError: there is no such checkpoint, none is sound, or its arrays are not those of the
            template.
        """
        found, (tree, meta) = self._first(step, lambda s: self._read(s, template))
        return found, tree, meta

    def set_aside(self, step: int) -> None:
        """Rename the checkpoints of later steps, which are no use, out of the way of new ones."""
        self._move({s: f'damaged-{s}' for s in self.steps() if s > step})

    def save_again(
        self, step: int, tree: Any, meta: dict[str, Any], scores: dict[str, float] | None = None
    ) -> None:
        """Replace the checkpoint of a step by another; the old one is kept until that is on disk.

        Raises:
          UserError: it cannot be written.
        """
        self._move({step: f'{REPLACED}{step}'})
        self.save(step, tree, meta, scores)
        self.wait()
        if parallel.is_main_process():
            shutil.rmtree(self.folder / f'{REPLACED}{step}', ignore_errors=True)

    def _move(self, names: dict[int, str]) -> None:
        """Rename the checkpoints of some steps, out of Orbax's sight."""
        if parallel.is_main_process():
            for step, name in names.items():
                shutil.rmtree(self.folder / name, ignore_errors=True)
                (self.folder / str(step)).rename(self.folder / name)
        parallel.barrier('checkpoints moved')
        self.manager.reload()

    def _restore_replaced(self) -> None:
        """Bring back a checkpoint whose replacement a kill prevented."""
        if parallel.is_main_process():
            for old in self.folder.glob(f'{REPLACED}*'):
                place = self.folder / old.name.removeprefix(REPLACED)
                if place.exists():
                    shutil.rmtree(old, ignore_errors=True)
                else:
                    old.rename(place)
        parallel.barrier('checkpoints restored')

    def _first(self, step: int | None, read: Callable[[int], Any]) -> tuple[int, Any]:
        """Return (step, what `read` gives) of one step, or of the newest that `read` can read."""
        steps = self.steps()
        if step is not None and step not in steps:
            raise UserError(f'no checkpoint of step {step} in {self.folder}; available: {steps}')
        for candidate in [step] if step is not None else reversed(steps):
            try:
                return candidate, read(candidate)
            except UserError:
                raise
            except Exception as error:  # whatever a damaged file makes a reader raise
                log.warning('damaged checkpoint %s: %s', self.folder / str(candidate), _line(error))
        which = 'no checkpoint' if step is None else f'not the checkpoint of step {step}'
        raise UserError(f'{which} in {self.folder} can be read; available: {steps}')

    def _meta(self, step: int) -> tuple[dict[str, Any], str]:
        """Return what is saved beside the arrays at a step, and the seal of both."""
        args = ocp.args.Composite(meta=ocp.args.JsonRestore())
        return record.read(step, self.manager.restore(step, args=args).meta)

    def _read(self, step: int, template: Any) -> tuple[Any, dict[str, Any]]:
        meta, seal = self._meta(step)
        record.check_shapes(self.folder / str(step), meta['shapes'], template)
        numpy = jax.tree.map(lambda _: ocp.RestoreArgs(restore_type=np.ndarray), template)
        args = ocp.args.Composite(tree=ocp.args.PyTreeRestore(template, restore_args=numpy))
        tree = self.manager.restore(step, args=args).tree
        record.check(tree, meta, seal)
        return tree, {k: v for k, v in meta.items() if k not in record.META}


def _line(error: Exception) -> str:
    """Return what an error says, in one short line."""
    return str(error).splitlines()[0][:200] if str(error) else type(error).__name__
