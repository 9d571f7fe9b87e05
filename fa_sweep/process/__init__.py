"""This process and its machine: memory and disk, secrets, signals, what other programs have set."""
