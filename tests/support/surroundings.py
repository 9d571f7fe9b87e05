"""Resets variables and signals that a shell, a desktop or a git hook has set. Import it before the environment is read."""

import os
import signal

FOREIGN = (
    "COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "CLICOLOR", "TTY_", "PYTHONWARNINGS", "PYTHONOPTIMIZE", "PYTHONIOENCODING",
    "GIT_", "MLFLOW_", "HYDRA_", "FA_SWEEP_", "PG", "DASK_", "SLURM_", "SBATCH_", "SQUEUE_", "SCANCEL_", "SINFO_", "MPL",
    "NUMBA_", "OMP_", "MKL_", "OPENBLAS_",
)  # fmt: skip
REQUIRE_SERVICES = os.environ.get("FA_SWEEP_REQUIRE_SERVICES") == "1"

for name in [name for name in os.environ if name.startswith(FOREIGN) and name != "FA_SWEEP_REQUIRE_SERVICES"]:
    del os.environ[name]  # FA_SWEEP_REQUIRE_SERVICES stays: xdist's workers read it too
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"

# A background shell, a git hook or a CI agent may ignore these signals, and commands that tests start would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGTERM, signal.SIG_DFL)
signal.signal(signal.SIGQUIT, signal.SIG_DFL)
