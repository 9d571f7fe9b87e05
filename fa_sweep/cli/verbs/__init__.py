"""The verbs of the command line, one module each. This file imports nothing, because every start reads it."""

# Verb: (module, hint). The module has a click command called `command`. The hint is printed after an interruption.
VERBS = {
    "tune": ("tune", "nothing was begun"),
    "decide": ("decide", "nothing was begun"),
    "list": ("list_", "nothing was changed"),
    "show": ("show", "nothing was changed"),
    "runs": ("runs", "nothing was changed"),
    "compare": ("compare", "nothing was changed"),
    "plan": ("plan", "nothing was changed"),
    "report": ("report", "the same command writes the report anew"),
    "export": ("export", "the same command writes the files anew"),
    "rename": ("rename", "the old name may still stand"),
    "tag": ("tag", "the old tags may still stand"),
    "delete": ("delete", "the same command deletes the rest"),
    "import": ("import_", "the same command goes on from there"),
    "bundle": ("bundle", "the same command writes the file anew"),
    "doctor": ("doctor", "nothing was changed"),
    "completion": ("completion", "nothing was changed"),
}
