from __future__ import annotations

import io
import json
import os
import random
import subprocess
import sys
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from analyzer.errors import EvidenceError
from stream_server.events.evidence_zip import container
from stream_server.events.evidence_zip.findings import FindingKind, Findings
from stream_server.events.evidence_zip.layout import MAX_FILE
from stream_server.events.evidence_zip.manifest import make_manifest, sign
from stream_server.events.evidence_zip.verify import verify
from tests.evidence_of import EVENT_ID, MADE_AT, a_key, a_picture, a_zip
from tests.stream_server.events.evidence_zip.zips import Raw, files_of, packed_again, raw_zip

CORRUPTIONS = 3000
Files = dict[str, bytes]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("evidence")


@pytest.fixture(scope="module")
def evidence(folder: Path) -> Path:
    return a_zip(folder, parts=(a_picture("strip.jpg"), a_picture("faces/01.jpg", 32, 32)))


def check(folder: Path, data: bytes, expected_key: str | None = None) -> Findings:
    path = folder / "checked.zip"
    path.write_bytes(data)
    return verify(path, expected_key)


def kinds(found: Findings) -> set[tuple[FindingKind, str | None]]:
    return {(one.kind, one.file) for one in found.findings}


def signed(folder: Path, files: Files) -> bytes:
    """These files with a manifest and a signature that fit them, whatever they are."""
    manifest = make_manifest(EVENT_ID, MADE_AT, "0", [(name, "", data) for name, data in files.items()]).encode()
    signature = sign(manifest, a_key(folder)).encode()
    return container.write([*files.items(), ("manifest.json", manifest), ("signature.json", signature)])


def test_what_was_packed_is_intact(evidence: Path, folder: Path) -> None:
    found = verify(evidence)
    assert found.ok
    assert found.contents_intact
    assert (found.event_id, found.made_at) == (EVENT_ID, MADE_AT)
    assert found.fingerprint == a_key(folder).public.fingerprint


def test_every_changed_byte_is_found_and_the_file_named_that_it_lies_in(evidence: Path, folder: Path) -> None:
    data, draw = evidence.read_bytes(), random.Random(7)
    with zipfile.ZipFile(evidence) as opened:
        spans = {
            info.filename: range(start := info.header_offset + 30 + len(info.filename), start + info.file_size)
            for info in opened.infolist()
        }
    for _ in range(CORRUPTIONS):
        position, flip = draw.randrange(len(data)), draw.randrange(1, 256)
        changed = bytearray(data)
        changed[position] ^= flip
        found = check(folder, bytes(changed))
        assert not found.ok, (position, flip)
        inside = [name for name, span in spans.items() if position in span]
        assert set(inside) <= {one.file for one in found.findings}, (position, flip, found)
        assert all(name in " ".join(one.says for one in found.findings) for name in inside)


def test_every_bit_outside_of_the_files_is_checked(evidence: Path, folder: Path) -> None:
    data = evidence.read_bytes()
    with zipfile.ZipFile(evidence) as opened:
        headers = [info.header_offset + i for info in opened.infolist() for i in range(30 + len(info.filename))]
        end = range(opened.start_dir, len(data))
    for position in (*headers, *end):
        changed = bytearray(data)
        changed[position] ^= 1 << (position % 8)
        assert not check(folder, bytes(changed)).ok, position


def test_wherever_it_is_cut_off_that_is_found(evidence: Path, folder: Path) -> None:
    data = evidence.read_bytes()
    for size in range(200, len(data), 97):
        found = check(folder, data[:size])
        assert FindingKind.DAMAGED in {one.kind for one in found.findings}
        assert not found.contents_intact
        assert (FindingKind.MISSING, "signature.json") in kinds(found) or size > data.rindex(b"signature.json") - 900


def test_a_file_that_is_cut_off_is_named(evidence: Path, folder: Path) -> None:
    data = evidence.read_bytes()
    found = check(folder, data[: data.index(b"faces/01.jpg" + b"\xff\xd8") + 100])
    assert "faces/01.jpg is cut off" in " ".join(one.says for one in found.findings)
    assert {(FindingKind.MISSING, "manifest.json"), (FindingKind.MISSING, "signature.json")} <= kinds(found)


def test_unpacked_and_packed_again_is_told_from_changed(evidence: Path, folder: Path) -> None:
    for method in (zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED):
        found = check(folder, packed_again(files_of(evidence).items(), method))
        assert kinds(found) == {(FindingKind.CONTAINER, None)}
        assert found.contents_intact
        assert found.fingerprint == a_key(folder).public.fingerprint


def test_folders_that_a_program_packs_along_are_no_added_files(evidence: Path, folder: Path) -> None:
    found = check(folder, packed_again([("faces/", b""), *files_of(evidence).items()]))
    assert kinds(found) == {(FindingKind.CONTAINER, None)}


def test_bytes_before_and_after_are_found(evidence: Path, folder: Path) -> None:
    data = evidence.read_bytes()
    for changed in (b"x" + data, data + b"x", data + data):
        found = check(folder, changed)
        assert kinds(found) == {(FindingKind.STRAY, None)}
        assert not found.contents_intact


_MEASURE = """
import resource, sys
from pathlib import Path
from stream_server.events.evidence_zip.verify import verify
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
verify(Path(sys.argv[1]))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.parametrize(
    "manifest",
    [
        b'{"entries":[' + b"{}," * 340_000 + b"{}]}",
        b"[" + b"0," * 500_000 + b"0]",
        b"{" + b",".join(b'"%x":1' % i for i in range(116_000)) + b"}",
        b"{" + b",".join(b'"%0200d":1' % i for i in range(5000)) + b"}",
        b"[" * 1_000_000,
        b"[" + b",".join([b"[" * 90 + b"]" * 90] * 5000) + b"]",
    ],
    ids=["objects", "numbers", "keys", "long keys", "deep", "deep and many"],
)
def test_no_manifest_takes_much_memory(evidence: Path, tmp_path: Path, manifest: bytes) -> None:
    path = tmp_path / "hostile.zip"
    path.write_bytes(packed_again({**files_of(evidence), "manifest.json": manifest}.items()))
    root = Path(__file__).parents[4]  # in a process of its own, for what Rust takes no tracing sees
    done = subprocess.run([sys.executable, "-c", _MEASURE, str(path)], cwd=root, capture_output=True, check=True)
    assert int(done.stdout) < 40_000, "kB"


def without(name: str) -> Callable[[Files], Files]:
    return lambda files: {other: data for other, data in files.items() if other != name}


def instead(name: str, data: bytes) -> Callable[[Files], Files]:
    return lambda files: {**files, name: data}


def renamed(old: str, new: str) -> Callable[[Files], Files]:
    return lambda files: {new if name == old else name: data for name, data in files.items()}


@pytest.mark.parametrize(
    ("change", "kind", "file", "says"),
    [
        (instead("strip.jpg", b"other"), FindingKind.CHANGED, "strip.jpg", "strip.jpg was changed: 5 bytes with"),
        (instead("report.html", b""), FindingKind.CHANGED, "report.html", "report.html was changed: 0 bytes"),
        (instead("event.json", b"{}"), FindingKind.CHANGED, "event.json", "event.json was changed"),
        (instead("manifest.json", b"{}"), FindingKind.CHANGED, "manifest.json", "it is no list of files: "),
        (instead("manifest.json", b"[" * 99_999), FindingKind.CHANGED, "manifest.json", "it is no list of files: "),
        (instead("manifest.json", bytes(2**21)), FindingKind.CHANGED, "manifest.json", "more than any has"),
        (instead("signature.json", b"null"), FindingKind.CHANGED, "signature.json", "it is no signature: "),
        (instead("signature.json", bytes(5000)), FindingKind.CHANGED, "signature.json", "5000 bytes, more than any"),
        (instead("new.jpg", b"new"), FindingKind.ADDED, "new.jpg", "new.jpg was added"),
        (without("strip.jpg"), FindingKind.MISSING, "strip.jpg", "strip.jpg is missing"),
        (without("manifest.json"), FindingKind.MISSING, "manifest.json", "what was signed cannot be told"),
        (without("signature.json"), FindingKind.MISSING, "signature.json", "nobody vouches"),
        (without("event.json"), FindingKind.MISSING, "event.json", "event.json is missing"),
        (renamed("strip.jpg", "b.jpg"), FindingKind.RENAMED, "strip.jpg", "strip.jpg was renamed, to b.jpg"),
        (lambda files: dict(reversed(files.items())), FindingKind.REORDERED, "signature.json", "another order"),
    ],
)  # fmt: skip
def test_what_was_done_to_a_file_is_told(
    evidence: Path, folder: Path, change: Callable[[Files], Files], kind: FindingKind, file: str, says: str
) -> None:
    found = check(folder, container.write(list(change(files_of(evidence)).items())))
    matching = [one for one in found.findings if (one.kind, one.file) == (kind, file)]
    assert [one for one in matching if says in one.says], found.findings
    assert found.contents_intact is (kind is FindingKind.REORDERED)


def test_a_manifest_that_was_made_to_fit_a_change_is_not_what_was_signed(evidence: Path, folder: Path) -> None:
    files = files_of(evidence)
    forged = files_of_bytes(signed(folder, {**payload(files), "strip.jpg": b"other"}))["manifest.json"]
    found = check(folder, container.write(list({**files, "strip.jpg": b"other", "manifest.json": forged}.items())))
    assert kinds(found) == {(FindingKind.CHANGED, "manifest.json")}
    assert found.fingerprint is None


def payload(files: Files) -> Files:
    return {name: data for name, data in files.items() if name not in {"manifest.json", "signature.json"}}


def files_of_bytes(data: bytes) -> Files:
    with zipfile.ZipFile(io.BytesIO(data)) as opened:
        return {name: opened.read(name) for name in opened.namelist()}


def test_a_manifest_with_two_lines_in_one_anothers_place_names_where_the_chain_breaks(
    evidence: Path, folder: Path
) -> None:
    files = files_of(evidence)
    content = json.loads(files["manifest.json"])
    content["entries"][2:4] = content["entries"][3:1:-1]
    changed = (json.dumps(content, indent=1) + "\n").encode()
    found = check(folder, container.write(list({**files, "manifest.json": changed}.items())))
    assert any("its chain breaks at faces/01.jpg" in one.says for one in found.findings)


def test_another_key_than_the_expected_one_is_found(evidence: Path, folder: Path, tmp_path: Path) -> None:
    ours, other = a_key(folder).public.fingerprint, a_key(tmp_path).public.fingerprint
    assert verify(evidence, ours).ok
    found = verify(evidence, other)
    assert kinds(found) == {(FindingKind.OTHER_KEY, "signature.json")}
    assert ours in found.findings[0].says
    assert not found.contents_intact


def test_evidence_signed_anew_by_somebody_else_is_only_told_by_the_key(
    evidence: Path, folder: Path, tmp_path: Path
) -> None:
    forged = signed(tmp_path, {**payload(files_of(evidence)), "strip.jpg": b"other"})
    assert check(folder, forged).ok
    assert not check(folder, forged, a_key(folder).public.fingerprint).ok


@pytest.mark.parametrize(
    "name",
    [b"../x", b"/etc/passwd", b"a\\..\\b", b"C:\\x", b"c:x", b"a\0b", b"\xff\xfe", "é".encode(), b"",
     b"x" * 5000, b"<b>", b"\x1b[2J"],
)  # fmt: skip
def test_names_that_could_lead_elsewhere_are_told_and_never_used(evidence: Path, folder: Path, name: bytes) -> None:
    files = [Raw(one.encode(), data) for one, data in files_of(evidence).items()]
    before = set(folder.iterdir()) | {folder / "checked.zip"}
    found = check(folder, raw_zip([*files, Raw(name, b"x")]))
    (added,) = [one for one in found.findings if one.kind is FindingKind.ADDED]
    assert "a name that no file of evidence has" in added.says
    assert added.says.isprintable()
    assert len(added.says) < 1000
    assert set(folder.iterdir()) <= before


@pytest.mark.parametrize(
    ("one", "says"),
    [
        (Raw(b"strip.jpg", b"x"), "strip.jpg is in the zip 2 times"),
        (Raw(b"manifest.json", b"{}"), "manifest.json is in the zip 2 times"),
        (Raw(b"bomb", b"x", size=MAX_FILE + 1, method=8), "more than the 256 MB that are read"),
        (Raw(b"secret", b"x", flags=1), "secret is encrypted"),
        (Raw(b"odd", b"x", method=99), "method 99"),
        (Raw(b"far", b"x", size=0xFFFFFFFF), "ZIP64"),
        (Raw(b"twin", same_place_as=2), "twin shares bytes with another file"),
    ],
    ids=["twice", "manifest twice", "bomb", "encrypted", "method", "zip64", "overlap"],
)
def test_a_hostile_file_beside_the_others_is_told(evidence: Path, folder: Path, one: Raw, says: str) -> None:
    files = [Raw(name.encode(), data) for name, data in files_of(evidence).items()]
    found = check(folder, raw_zip([*files, one]))
    assert [finding for finding in found.findings if says in finding.says], found.findings
    assert not found.contents_intact


def test_a_zip_that_two_programs_would_read_differently_is_told(evidence: Path, folder: Path) -> None:
    files = [Raw(name.encode(), data) for name, data in files_of(evidence).items()]
    files[2] = Raw(b"strip.jpg", files[2].data, own_name=b"other.jpg")
    says = [one.says for one in check(folder, raw_zip(files)).findings if one.file == "strip.jpg"]
    assert says == ["strip.jpg is called other.jpg by its own header: programs would not agree what it is"]


@pytest.mark.parametrize(
    "data",
    [
        b"", b"hello", b"PK\3\4", b"PK\5\6" + bytes(18), bytes(100_000),
        packed_again([("a.txt", b"x")]),
        packed_again([("manifest.json", b'{"manifest_version": 3}'), ("background.js", b"")]),
        packed_again([("evidence/" + name, b"{}") for name in ("event.json", "manifest.json", "signature.json")]),
        packed_again([(f"{i}", b"") for i in range(2000)]),
        raw_zip([Raw(b"%d" % i, size=MAX_FILE, packed=9, method=8) for i in range(9)]),
    ],
    ids=["empty", "text", "mark", "empty zip", "zeros", "other zip", "extension", "in a folder", "many", "huge"],
)  # fmt: skip
def test_what_is_no_evidence_zip_is_an_error(folder: Path, data: bytes) -> None:
    with pytest.raises(EvidenceError, match=r"checked\.zip is no evidence zip: "):
        check(folder, data)


def test_a_folder_or_a_pipe_is_no_evidence_zip(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe"):
        with pytest.raises(EvidenceError, match="it is no file"):
            verify(path)


def test_a_file_larger_than_any_evidence_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "a.zip").open("wb") as file:
        file.truncate(2**31)
    with pytest.raises(EvidenceError, match="larger than any"):
        verify(tmp_path / "a.zip")


def test_a_file_that_is_not_there_is_the_systems_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        verify(tmp_path / "gone.zip")


@given(st.binary(max_size=2000))
@example(b"PK\5\6" + b"\xff" * 18)
@example(b"PK\1\2" + b"\xff" * 60 + b"PK\5\6" + b"\0" * 4 + b"\1\0\1\0" + b"\x40\0\0\0" + b"\0" * 6)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_random_bytes_are_no_evidence(folder: Path, data: bytes) -> None:
    for prefix in (b"", b"PK\3\4"):
        with pytest.raises(EvidenceError):
            check(folder, prefix + data)


mutations = st.lists(
    st.tuples(
        st.sampled_from(["set", "insert", "delete", "copy"]), st.floats(0, 1), st.binary(min_size=1, max_size=40)
    ),
    min_size=1,
    max_size=6,
)


@given(mutations)
@settings(deadline=None)
def test_mutations_are_found_or_no_evidence_and_never_take_much_memory(
    evidence: Path, folder: Path, changes: list[tuple[str, float, bytes]]
) -> None:
    original = evidence.read_bytes()
    data = bytearray(original)
    for how, where, new in changes:
        at = int(where * len(data))
        gone = {"set": len(new), "insert": 0, "delete": 40, "copy": 0}[how]
        data[at : at + gone] = b"" if how == "delete" else bytes(data[:500]) if how == "copy" else new
    tracemalloc.start()
    try:
        found = check(folder, bytes(data))
        assert found.ok is (bytes(data) == original)
        assert all(one.says.isprintable() for one in found.findings)
    except EvidenceError:
        pass
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 4_000_000


def test_a_large_clip_is_summed_without_being_held(folder: Path) -> None:
    data = signed(folder, {"event.json": b"{}", "report.html": b"", "clip.mp4": bytes(40_000_000)})
    path = folder / "large.zip"
    path.write_bytes(data)
    del data
    tracemalloc.start()
    try:
        assert verify(path).ok
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()
        path.unlink()
