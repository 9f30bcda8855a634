from __future__ import annotations

import io
import stat
import tarfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from midigen.corpora import extract as module
from midigen.corpora.extract import extract, is_archive
from midigen.errors import SourceError

SUFFIXES = frozenset({".mid"})


def make_zip(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            info = zipfile.ZipInfo("x")
            info.filename = name  # the constructor would mend it
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, data)
    return path


def make_tar(path: Path, *members: tuple[tarfile.TarInfo, bytes]) -> Path:
    name = path.name
    packing = "gz" if name.endswith("gz") else "bz2" if name.endswith("bz2") else "xz" if name.endswith("xz") else ""
    with tarfile.open(str(path), f"w:{packing}") as archive:  # type: ignore[call-overload]
        for info, data in members:
            archive.addfile(info, io.BytesIO(data))
    return path


def member(name: str, data: bytes = b"notes", kind: bytes = tarfile.REGTYPE) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, "/etc/passwd" if kind != tarfile.REGTYPE else ""
    info.size = len(data) if kind == tarfile.REGTYPE else 0
    return info, data


def unpacked(folder: Path) -> dict[str, bytes]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def assert_nothing_left(tmp_path: Path, archive: Path) -> None:
    assert list(tmp_path.iterdir()) == [archive]


@pytest.mark.parametrize("suffix", module.ARCHIVE_SUFFIXES)
def test_each_kind_of_archive_is_unpacked(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"songs{suffix}"
    assert is_archive(path)
    if suffix == ".zip":
        make_zip(path, {"a/b.mid": b"notes", "read.me": b"text"})
    else:
        make_tar(path, member("./a/b.mid"), member("read.me"))
    assert extract(path, tmp_path / "out", SUFFIXES) == []
    assert unpacked(tmp_path / "out") == {"a/b.mid": b"notes"}


def test_suffixes_are_compared_without_case(tmp_path: Path) -> None:
    extract(make_zip(tmp_path / "a.zip", {"A.MID": b"notes"}), tmp_path / "out", SUFFIXES)
    assert unpacked(tmp_path / "out") == {"A.MID": b"notes"}


BAD_NAMES = [
    *["/a.mid", "../a.mid", "a/../../b.mid", "C:/a.mid", "C:a.mid", "..\\a.mid", "a\\b.mid", "\\\\host\\a.mid"],
    *["con.mid", "a/NUL.x.mid", "lpt1/a.mid", "com1 /a.mid", "line\nfeed.mid", "escape\x1b.mid", "a.mid:b.mid"],
    *["x" * 197 + ".mid", "d/" * 10 + "a.mid"],
]


@pytest.mark.parametrize("name", BAD_NAMES)
def test_a_bad_name_is_refused_and_the_rest_unpacked(tmp_path: Path, name: str) -> None:
    by_zip = extract(make_zip(tmp_path / "a.zip", {name: b"evil", "b.mid": b"good"}), tmp_path / "zip", SUFFIXES)
    by_tar = extract(make_tar(tmp_path / "a.tar", member(name), member("b.mid")), tmp_path / "tar", SUFFIXES)
    assert [len(by_zip), len(by_tar)] == [1, 1]
    assert by_zip[0][1].startswith("its name")
    assert {path.name for path in tmp_path.iterdir()} == {"a.zip", "a.tar", "zip", "tar"}
    assert list(unpacked(tmp_path / "zip")) == list(unpacked(tmp_path / "tar")) == ["b.mid"]


def test_a_name_with_a_nul_is_refused(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "a.zip", {"aXb.mid": b"notes"})
    path.write_bytes(path.read_bytes().replace(b"aXb.mid", b"a\x00b.mid"))
    assert extract(path, tmp_path / "out", SUFFIXES)[0][1].startswith("its name holds")


@given(
    st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=30).map(
        lambda text: text + ".mid"
    )
)
@settings(max_examples=40, deadline=None)
def test_no_name_leads_outside(tmp_path_factory: pytest.TempPathFactory, name: str) -> None:
    folder = tmp_path_factory.mktemp("names")
    extract(make_zip(folder / "a.zip", {name: b"x"}), folder / "out", SUFFIXES)
    assert {path.name for path in folder.iterdir()} == {"a.zip", "out"}


def test_names_are_made_the_same_for_every_system(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "a.zip", {"./Op. /a//Für.mid": b"1"})
    extract(path, tmp_path / "out", SUFFIXES)
    assert unpacked(tmp_path / "out") == {"Op/a/Für.mid": b"1"}


def test_bytes_of_a_name_that_no_encoding_explains_become_underscores(tmp_path: Path) -> None:
    extract(make_tar(tmp_path / "a.tar", member("F\udcfcr.mid")), tmp_path / "out", SUFFIXES)
    assert list(unpacked(tmp_path / "out")) == ["F_r.mid"]


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, b"S"]
)
def test_only_regular_files_of_a_tar_are_unpacked(tmp_path: Path, kind: bytes) -> None:
    path = make_tar(tmp_path / "a.tar", member("a.mid", kind=kind), member("b.mid"))
    assert extract(path, tmp_path / "out", SUFFIXES) == [("a.mid", "it is a link, a device or has holes")]
    assert list(unpacked(tmp_path / "out")) == ["b.mid"]


def test_a_link_of_a_zip_is_refused(tmp_path: Path) -> None:
    info = zipfile.ZipInfo("a.mid")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(info, "/etc/passwd")
    assert extract(tmp_path / "a.zip", tmp_path / "out", SUFFIXES) == [("a.mid", "it is a link or a device")]


def test_a_folder_made_a_link_first_leads_nowhere(tmp_path: Path) -> None:
    path = make_tar(tmp_path / "a.tar", member("d.mid", kind=tarfile.SYMTYPE), member("d.mid/passwd.mid"))
    extract(path, tmp_path / "out", SUFFIXES)
    assert unpacked(tmp_path / "out") == {"d.mid/passwd.mid": b"notes"}


def test_a_file_in_the_way_of_a_folder_is_named(tmp_path: Path) -> None:
    path = make_tar(tmp_path / "a.tar", member("a.mid"), member("a.mid/b.mid"))
    ((name, reason),) = extract(path, tmp_path / "out", SUFFIXES)
    assert (name, reason.split(":")[0]) == ("a.mid/b.mid", "its folder cannot be made")


def test_names_that_differ_only_in_case_are_refused(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "a.zip", {"a.mid": b"first", "A.mid": b"second"})
    assert extract(path, tmp_path / "out", SUFFIXES)[0][1].startswith("another file has the same name")
    assert unpacked(tmp_path / "out") == {"a.mid": b"first"}


def test_an_encrypted_member_is_refused(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "a.zip", {"a.mid": b"notes"})
    data = bytearray(path.read_bytes())
    data[data.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(data)
    assert extract(path, tmp_path / "out", SUFFIXES) == [("a.mid", "it is encrypted")]


def test_a_damaged_member_is_refused_and_the_rest_unpacked(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "a.zip", {"a.mid": bytes(range(200)), "b.mid": b"notes"})
    data = bytearray(path.read_bytes())
    data[60] ^= 255
    path.write_bytes(data)
    assert extract(path, tmp_path / "out", SUFFIXES)[0][1].startswith("it is damaged")
    assert unpacked(tmp_path / "out") == {"b.mid": b"notes"}


def test_a_file_above_the_limit_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_FILE_BYTES", 1 << 20)
    large = bytes(range(256)) * 4097
    members = [member("a.mid", large), member("b.wav", large), member("c.mid")]
    for path in (make_zip(tmp_path / "a.zip", {i.name: d for i, d in members}), make_tar(tmp_path / "a.tar", *members)):
        target = tmp_path / path.suffix
        assert extract(path, target, SUFFIXES) == [("a.mid", "it is larger than 1 MB")]
        assert list(unpacked(target)) == ["c.mid"]


@pytest.mark.parametrize("name", ["a.mid", "a.txt"])
def test_a_tar_that_unpacks_to_200_times_its_size_is_refused(tmp_path: Path, name: str) -> None:
    path = make_tar(tmp_path / "a.tar.bz2", member(name, bytes(1 << 22)))
    with pytest.raises(SourceError, match=r"a\.tar\.bz2 .* far more than its size"):
        extract(path, tmp_path / "out", SUFFIXES)
    assert_nothing_left(tmp_path, path)


def test_a_zip_that_unpacks_to_200_times_its_size_is_refused(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "a.zip", {"a.mid": bytes(1 << 22)})
    with pytest.raises(SourceError, match=r"a\.zip unpacks to more than 2 GB or 200 times its size"):
        extract(path, tmp_path / "out", SUFFIXES)
    assert_nothing_left(tmp_path, path)


def test_a_zip_that_lies_about_a_size_is_counted_while_copied(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "a.zip", {"a.mid": bytes(1 << 22)})
    path.write_bytes(path.read_bytes().replace((1 << 22).to_bytes(4, "little"), (5).to_bytes(4, "little")))
    assert extract(path, tmp_path / "out", SUFFIXES)[0][1].startswith("it is damaged")
    assert unpacked(tmp_path / "out") == {}


def test_the_total_is_limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_TOTAL_BYTES", 1000)
    path = make_tar(tmp_path / "a.tar", *(member(f"{number}.mid", bytes(400)) for number in range(3)))
    with pytest.raises(SourceError, match="not trusted"):
        extract(path, tmp_path / "out", SUFFIXES)
    assert_nothing_left(tmp_path, path)


def test_a_header_without_end_is_not_read_into_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_FILE_BYTES", 1 << 16)
    info = tarfile.TarInfo("a.mid")
    info.pax_headers = {"comment": "x" * (1 << 18)}
    path = make_tar(tmp_path / "a.tar", (info, b""))
    with pytest.raises(SourceError, match="not trusted"):
        extract(path, tmp_path / "out", SUFFIXES)


def test_the_number_of_files_is_limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_MEMBERS", 3)
    path = make_zip(tmp_path / "a.zip", {f"{number}.txt": b"" for number in range(4)})
    with pytest.raises(SourceError, match="more than 3 files"):
        extract(path, tmp_path / "out", SUFFIXES)
    assert_nothing_left(tmp_path, path)


@pytest.mark.parametrize("data", [b"", b"<!DOCTYPE html>", b"PK\x03\x04", b"\x1f\x8b\x08", b"BZh9", b"\xfd7zXZ\x00"])
def test_what_is_no_archive_is_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(data)
    with pytest.raises(SourceError, match=r"a\.zip cannot be unpacked"):
        extract(path, tmp_path / "out", SUFFIXES)
    assert_nothing_left(tmp_path, path)


@pytest.mark.parametrize("name", ["a.tar", "a.tar.gz", "a.tar.bz2", "a.tar.xz", "a.zip"])
def test_an_archive_cut_short_is_refused(tmp_path: Path, name: str) -> None:
    path, data = tmp_path / name, bytes(i * i % 251 for i in range(5000))
    path = make_zip(path, {"a.mid": data}) if name == "a.zip" else make_tar(path, member("a.mid", data))
    path.write_bytes(path.read_bytes()[: 150 if name != "a.tar" else 3000])
    with pytest.raises(SourceError, match="cannot be unpacked"):
        extract(path, tmp_path / "out", SUFFIXES)
    assert_nothing_left(tmp_path, path)


def test_an_existing_target_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with pytest.raises(SourceError, match="there already"):
        extract(make_zip(tmp_path / "a.zip", {"a.mid": b"notes"}), tmp_path / "out", SUFFIXES)
    assert unpacked(tmp_path / "out") == {}


def test_what_a_killed_extraction_left_does_not_matter(tmp_path: Path) -> None:
    (tmp_path / "out.part").mkdir()
    (tmp_path / "out.part" / "old.mid").touch()
    extract(make_zip(tmp_path / "a.zip", {"a.mid": b"notes"}), tmp_path / "out", SUFFIXES)
    assert list(unpacked(tmp_path / "out")) == ["a.mid"]
