"""How the command deals with its process and machine: memory, disk space, secrets, signals, and inherited settings."""
