"""Contents of data files that the program must refuse: CSV, .npz and IDX."""

import gzip
import io
import zipfile
from pathlib import Path


def _npz(**arrays: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in arrays.items():
            archive.writestr(f"{name}.npy", data)
    return file.getvalue()


def _npy(kind: str, shape: tuple[int, ...], data: bytes) -> bytes:
    header = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}}}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode() + data


def bomb(path: Path) -> None:
    """Write an .npz file of 2 MB that unpacks to 2 GB."""
    rows = 2**21
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        with archive.open("x.npy", "w", force_zip64=True) as file:
            file.write(_npy("<f8", (rows, 128), b""))
            for _ in range(rows // 2**13):
                file.write(bytes(8 * 2**13 * 128))
        archive.writestr("y.npy", _npy("<i8", (rows,), bytes(8 * rows)))


CSV = {
    "nothing": b"", "a header alone": b"a,b,y\n", "one column": b"y\n1\n2\n",
    "bytes of no encoding": bytes(range(128, 256)) * 50, "texts": b"a,b,y\nx,1,0\nz,2,1\n",
    "rows of unequal lengths": b"a,b,y\n1,2,0\n1,2\n3,4,1\n", "an empty cell": b"a,b,y\n1,,0\n3,4,1\n",
    "a NaN": b"a,b,y\nnan,1,0\n3,4,1\n", "infinity": b"a,b,y\n1e999,1,0\n3,4,1\n", "no such target": b"a,b,z\n1,2,0\n3,4,1\n",
    "two columns of one name": b"a,a,y\n1,2,0\n3,4,1\n", "two targets": b"a,y,y\n1,2,0\n3,4,1\n", "one row": b"a,b,y\n1,2,0\n",
    "one class": b"a,b,y\n1,2,0\n3,4,0\n5,6,0\n", "zeros": bytes(4096), "an open quote": b'a,b,y\n"1,2,0\n3,4,1\n',
    "a NUL": b"a,b,y\n1\0,2,0\n3,4,1\n", "half of UTF-16": "a,b,y\n1,2,0\n3,4,1\n".encode("utf-16")[:-1],
    "gzip of half a file": gzip.compress(b"a,b,y\n" + b"1,2,0\n3,4,1\n" * 99, mtime=0)[:30],
    "gzip of four million empty lines": gzip.compress(b"a,b,y\n" + bytes([10]) * 2**22, 1, mtime=0),
    "gzip of one line of 20 MB": gzip.compress(b"a,b,y\n" + b"1" * 20_000_000, mtime=0),
    "one line of 20 MB": b"a,b,y\n" + b"1" * 20_000_000,
}  # fmt: skip
PIXELS = _npy("<f8", (4, 9), bytes(8 * 36))
NPZ = {
    "nothing": b"", "text": b"no archive", "half an archive": _npz(x=PIXELS, y=_npy("<i8", (4,), bytes(32)))[:120],
    "no y": _npz(x=PIXELS), "no x": _npz(y=_npy("<i8", (4,), bytes(32))),
    "a pickle": _npz(x=_npy("|O", (1,), b"cos\nsystem\n(S'touch pwned'\ntR."), y=PIXELS),
    "unequal lengths": _npz(x=PIXELS, y=_npy("<i8", (5,), bytes(40))),
    "a shape that lies": _npz(x=_npy("<f8", (2**40, 9), b""), y=PIXELS),
    "a shape below zero": _npz(x=_npy("<f8", (-4, 9), b""), y=PIXELS),
    "texts": _npz(x=_npy("<U1", (4, 9), bytes(144)), y=_npy("<i8", (4,), bytes(32))),
    "no rows": _npz(x=_npy("<f8", (0, 9), b""), y=_npy("<i8", (0,), b"")),
    "NaN": _npz(x=_npy("<f8", (4, 1), b"\xff" * 32), y=_npy("<i8", (4,), bytes(32))),
    "complex numbers": _npz(x=_npy("<c16", (4, 1), bytes(64)), y=_npy("<i8", (4,), bytes(32))),
}  # fmt: skip
IDX = {
    "nothing": b"", "a magic of something else": b"\x7fELF" + bytes(60),
    "no data": bytes([0, 0, 8, 3, 0, 0, 0, 9, 0, 0, 0, 9, 0, 0, 0, 9]),
    "dimensions of 2^96": bytes([0, 0, 8, 3]) + b"\xff" * 12 + bytes(20),
    "gzip of half a file": gzip.compress(bytes(1000), mtime=0)[:30],
}  # fmt: skip
