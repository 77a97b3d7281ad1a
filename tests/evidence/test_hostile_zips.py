"""Zips that no pack ever is are refused before they can hurt."""

from __future__ import annotations

import io
import stat
import struct
import warnings
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from htc.errors import InputError
from htc.evidence import verify_pack
from htc.evidence.pack import zip_bytes
from htc.evidence.reading import Limits, open_pack

SMALL = Limits(max_archive_bytes=200_000, max_file_bytes=100_000, max_total_bytes=150_000, max_files=5)


def zipped(*entries: tuple[str | zipfile.ZipInfo, bytes]) -> bytes:
    out = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # zipfile warns of two files of one name
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in entries:
                archive.writestr(name, content)
    return out.getvalue()


def link() -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo("README.md")
    entry.external_attr = (stat.S_IFLNK | 0o777) << 16
    return entry


def encrypted(content: bytes) -> bytes:
    """The flag of encryption set in both headers."""
    changed = bytearray(content)
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = changed.index(signature) + offset
        (flags,) = struct.unpack_from("<H", changed, at)
        struct.pack_into("<H", changed, at, flags | 1)
    return bytes(changed)


HOSTILE: Mapping[str, Callable[[], bytes]] = {
    "slip": lambda: zipped(("../../etc/passwd", b"x")),
    "absolute": lambda: zipped(("/etc/passwd", b"x")),
    "drive": lambda: zipped(("C:/windows/x", b"x")),
    "backslash": lambda: zipped(("..\\x", b"x")),
    "dots": lambda: zipped(("a/./b", b"x")),
    "control": lambda: zipped(("a\x1b[2Jb", b"x")),
    "right-to-left": lambda: zipped(("a\u202egnp.exe", b"x")),
    "long": lambda: zipped(("a" * 5000, b"x")),
    "link": lambda: zipped((link(), b"/etc/passwd")),
    "encrypted": lambda: encrypted(zipped(("README.md", b"x"))),
    "twice": lambda: zipped(("README.md", b"x"), ("README.md", b"y")),
    "twice but for the case": lambda: zipped(("README.md", b"x"), ("readme.MD", b"y")),
    "too many": lambda: zipped(*((f"f{i}", b"x") for i in range(6))),
    "bomb": lambda: zipped(("README.md", b"\0" * 110_000)),
    "bomb in parts": lambda: zipped(*((f"f{i}", b"\0" * 60_000) for i in range(3))),
    "large": lambda: b"PK" + b"x" * 210_000,
    "not a zip": lambda: b"not a zip at all",
    "empty": lambda: b"",
    "truncated": lambda: zipped(("README.md", b"x" * 1000))[:-30],
}


@pytest.mark.parametrize("name", HOSTILE)
def test_it_is_refused_with_a_reason(name: str, tmp_path: Path) -> None:
    content = HOSTILE[name]()
    with pytest.raises(InputError) as told:
        open_pack(content, SMALL)
    assert len(str(told.value)) < 400
    file = tmp_path / "pack.zip"
    file.write_bytes(content)
    with pytest.raises(InputError):
        open_pack(file, SMALL)


def test_a_file_that_lies_about_its_size_is_read_no_further() -> None:
    content = bytearray(zipped(("README.md", b"\0" * 500_000)))
    for signature, offset in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        struct.pack_into("<I", content, content.index(signature) + offset, 10)
    try:
        pack = open_pack(bytes(content), SMALL)
    except InputError:
        return
    assert all(len(data) <= SMALL.max_file_bytes for data in pack.files.values())
    assert pack.damaged or not pack.files.get("README.md", b"")[10:]


def test_a_damaged_file_is_named(packs: Mapping[str, Mapping[str, bytes]]) -> None:
    content = bytearray(zip_bytes(packs["refusal"]))
    at = content.index(b"worksheet.md") + 40
    content[at : at + 20] = b"\xff" * 20
    found = verify_pack(bytes(content), with_model=False)
    assert "worksheet.md" in found.wrong_files


def test_nothing_is_no_pack_and_a_folder_neither(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "nothing", Path("a\0b")):
        with pytest.raises(InputError):
            open_pack(path)
    empty = io.BytesIO()
    with zipfile.ZipFile(empty, "w"):
        pass
    assert "prediction.json" in verify_pack(empty.getvalue()).wrong_files


@given(data=st.data())
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_any_bytes_give_an_answer(data: st.DataObject, packs: Mapping[str, Mapping[str, bytes]]) -> None:
    content = bytearray(zip_bytes(packs["refusal"]))
    for _ in range(data.draw(st.integers(1, 8))):
        at = data.draw(st.integers(0, len(content) - 1))
        content[at] = data.draw(st.integers(0, 255))
    try:
        verify_pack(bytes(content), with_model=False)
    except InputError:
        pass
    except zlib.error:
        pytest.fail("an error of the library came through")
