"""The command line: parse and check a command, then run its sweep, single run or report."""
