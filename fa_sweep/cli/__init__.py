"""The command line: parse and check a command, then run the sweep, single run, report or ledger check it asks for."""
