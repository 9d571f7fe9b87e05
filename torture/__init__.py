"""Attacks on the installed program from outside.

`python -m torture` kills commands, damages their files, fills their disks and gives them bad input.
It counts how often the program fails.
"""
