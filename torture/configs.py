"""Contents of presets that the program must refuse: broken YAML, and valid YAML that is no valid preset."""

DEPTH = 5000


def _laughs(first: bytes, level: bytes, reference: bytes) -> bytes:
    """Return a "billion laughs" file: ten levels, of which each refers nine times to the level before it."""
    lines = [b"a: &a " + first]
    for letter in range(ord("b"), ord("k")):
        lines.append(b"%c: &%c " % (letter, letter) + level % b",".join([reference % (letter - 1)] * 9))
    return b"\n".join(lines) + b"\n"


YAML = {
    "tabs": b"seed:\t3\n\tx: 4\n", "bytes of no encoding": bytes(range(128, 256)), "a duplicate key": b"seed: 1\nseed: 2\n",
    "latin-1": "# gr\u00f6\u00dfe\nseed: 1\n".encode("latin-1"),
    "a Python object": b"seed: !!python/object/apply:os.system ['touch pwned']\n",
    "a Python name": b"seed: !!python/name:os.system\n", "a list": b"- 1\n- 2\n", "a number": b"3\n",
    "two documents": b"seed: 1\n---\nseed: 2\n", "an open bracket": b"seed: [1\n", "an open quote": b"seed: 'x\n",
    "lists 5,000 deep": b"x: " + b"[" * DEPTH + b"]" * DEPTH, "a list that holds itself": b"seed: &a [*a]\n",
    "an unknown alias": b"seed: *nosuch\n", "a merge of a number": b"<<: 3\nseed: 1\n", "an unknown tag": b"seed: !nosuch 3\n",
    "a key that is a list": b"? [1, 2]\n: 3\n", "a key that is a number": b"1: 2\n",
    "UTF-16 without a mark": "seed: 1\n".encode("utf-16-le"), "a NUL": b"seed: 1\0\n",
    "defaults that are a number": b"defaults: 3\n", "unknown defaults": b"defaults:\n  - nosuch: x\n",
    "defaults of itself": b"defaults:\n  - /experiment: mine\n", "a date": b"seed: 2020-01-01\n",
    "a billion laughs": _laughs(b"[x,x,x,x,x,x,x,x,x]", b"[%s]", b"*%c"),
    "laughs by merging": _laughs(b"{x: 1}", b"{%s}", b"<<: *%c"),
    "an unknown setting": b"nosuch: 3\n", "a group that is a number": b"train: 3\n",
    "hydra that is null": b"# @package _global_\nhydra: null\n",
    "an anchor for the seed's list": b"# @package _global_\nseed: [1, 2]\n",
    "an interpolation of itself": b"# @package _global_\nseed: ${seed}\n",
    "an interpolation that never closes": b"# @package _global_\nseed: ${seed\n", "a percent": b"% seed: 3\n",
    "a backtick": b"seed: `3`\n", "binary": b"# @package _global_\nseed: !!binary aGFsbG8=\n",
    "infinity": b"# @package _global_\nseed: .inf\n", "an unknown package": b"# @package nosuch.place\nseed: 3\n",
    "a control character": b"seed: \x07\n", "a lone surrogate": b'seed: "\\ud800"\n',
}  # fmt: skip
