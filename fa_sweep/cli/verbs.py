"""The verbs of the command line. Imports nothing, because every start reads it."""

# Verb: (module, hint). `main(arguments)` of the module returns the exit status. The hint is printed after an interruption.
VERBS = {
    "report": ("fa_sweep.cli.report", "the same command writes the report anew"),
    "doctor": ("fa_sweep.cli.doctor", "nothing was changed"),
}
