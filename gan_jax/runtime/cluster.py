"""The processes of a run find each other, before anything touches a device."""

import os
import re

import jax

from gan_jax.errors import UserError

# host:port
ADDRESS = re.compile(r'[^\s:]+:[0-9]{1,5}|\[[0-9a-fA-F:.]+\]:[0-9]{1,5}')

# Environments in which jax finds the other processes by itself: the variable that says so, and
# those of its values that mean one process.
CLUSTERS = {
    'SLURM_NTASKS': ('', '1'),
    'OMPI_COMM_WORLD_SIZE': ('', '1'),
    'TPU_WORKER_HOSTNAMES': ('', 'localhost'),
    'MEGASCALE_COORDINATOR_ADDRESS': ('',),
}


def start(
    coordinator: str | None = None, processes: int | None = None, process: int | None = None
) -> bool:
    """Join the processes of a run, before anything touches a device; return whether there are any.

    Without arguments the run is one process, unless SLURM, Open MPI or a TPU pod says otherwise;
    with them this is process `process` of `processes`, and `coordinator` is 'host:port' of
    process 0.

    Raises:
      UserError: some arguments are missing, do not fit together, or the others did not come.
    """
    given = {'coordinator': coordinator, 'num_processes': processes, 'process_id': process}
    missing = [f'--{name}' for name, value in given.items() if value is None]
    if len(missing) not in (0, len(given)):
        raise UserError(f'{", ".join(missing)} missing: several processes need all of '
                        f'{", ".join("--" + name for name in given)}')  # fmt: skip
    found = any(os.environ.get(name, '') not in one for name, one in CLUSTERS.items())
    if missing and not found:
        return False
    if coordinator is not None and not ADDRESS.fullmatch(coordinator):
        raise UserError(
            f'coordinator={coordinator!r} is not allowed: write host:port, such as 10.0.0.1:1234'
        )
    if processes is not None and process is not None and not 0 <= process < processes:
        raise UserError(f'process_id={process} is not allowed: it must be below {processes}')
    jax.config.update('jax_cpu_collectives_implementation', 'gloo')
    try:
        jax.distributed.initialize(coordinator, processes, process)
    except (RuntimeError, ValueError) as error:
        raise UserError(f'cannot join the processes: {str(error).splitlines()[0]}') from error
    return True
