"""Attacks on the installed program from outside: `python -m torture` kills, damages, starves and misleads it, and counts."""
