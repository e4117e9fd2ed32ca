"""What comes back of published suites from a machine that is given back: archives of a limited size, and how another machine takes them up.

An archive is published.N.tar.xz and unpacks by itself, one over the other, in the order of their numbers. A file that no archive holds comes
in pieces, FILE.DIGEST.piece-000 and so on, DIGEST being the first of its SHA-256.
"""

import glob
import hashlib
import json
import lzma
import os
import re
import shutil
import tarfile

# Bytes of an archive, and archives: with the log and kit.json less than 64 MiB.
PART, PARTS = 15 << 20, 4
# Of a tar: a header, perhaps with a long name, and what fills up its last block; of an archive, its end and what xz adds to what does not shrink.
HEADER, ENDS = 4096, 64 << 10

NAME = re.compile(r"published\.([0-9]{1,6})\.tar\.xz")
PIECE = re.compile(r"(.+)\.([0-9a-f]{8})\.piece-([0-9]{3})")


def numbered(*folders):
    """The archives that lie in some folders, by their numbers."""
    names = [(NAME.fullmatch(path.name), path) for folder in folders for path in folder.glob("published.*")]
    return sorted((int(name[1]), path) for name, path in names if name)


def write(path, text):
    """A file is the old one or the new one, whenever this ends."""
    partial = path.with_name(path.name + ".partial")
    partial.write_text(text, encoding="utf-8")
    os.replace(partial, path)


def sha256(content):
    return hashlib.sha256(content).hexdigest()


def key(name, begin):
    return f"{name} {begin}"


def cut(name, digest, bytes):
    """A file as (file, name in the archive, first byte, bytes), or as pieces of it that an archive holds, called by its content: of another they are others."""
    most = PART - ENDS - HEADER
    if bytes <= most:
        return [(name, name, 0, bytes)]
    return [(name, f"{name}.{digest[:8]}.piece-{begin // most:03}", begin, min(most, bytes - begin)) for begin in range(0, bytes, most)]


def fill(pieces, most):
    """Pieces in so many lists at most, each less than PART together as they are; and those that have no place."""
    parts, room, left = [], 0, []
    for piece in pieces:
        bytes = piece[3] + HEADER
        if bytes > room:
            if len(parts) >= most:
                left.append(piece)
                continue
            parts.append([])
            room = PART - ENDS
        parts[-1].append(piece)
        room -= bytes
    return parts, left


def pack(folder, out, beside, record):
    """Archives in `out` of what no call has brought of a folder's files, as they are now, beside those that still lie there; numbers go on from
    those there and in `beside`. `record`: the file of what was brought."""
    brought = json.loads(record.read_text()) if record.exists() else {}
    if not folder.is_dir():
        raise RuntimeError(f"{folder} is not there: nothing was published")
    files = {str(path.relative_to(folder.parent)): path for path in sorted(folder.rglob("*")) if path.is_file()}
    digests = {name: sha256(path.read_bytes()) for name, path in files.items()}
    pieces = [piece for name, path in files.items() for piece in cut(name, digests[name], path.stat().st_size)]
    new = [piece for piece in pieces if brought.get(key(piece[0], piece[2])) != digests[piece[0]]]
    # What says which checkpoints there are comes with the last of them: of some alone it would be a suite with holes.
    last = [piece for piece in new if "/checkpoints/" not in piece[0]]
    first = [piece for piece in new if "/checkpoints/" in piece[0]]
    there = numbered(out)
    parts, left = fill(first + last, PARTS - len(there))
    if any(piece in first for piece in left):
        parts, left = fill(first, PARTS - len(there))
        left += last
    known = [number for number, _ in numbered(out, beside)] + [brought.get("archives", 0) - 1]
    for number, part in enumerate(parts, 1 + max(known)):
        archive = out / f"published.{number}.tar.xz"
        partial = archive.with_suffix(".partial")
        # Weights hardly shrink, and there is no time.
        with lzma.open(partial, "wb", preset=1) as packed, tarfile.open(fileobj=packed, mode="w") as tar:
            for name, as_named, begin, length in part:
                about = tarfile.TarInfo(as_named)
                about.size = length
                with open(files[name], "rb") as content:
                    content.seek(begin)
                    tar.addfile(about, content)
        os.replace(partial, archive)
        brought |= {key(name, begin): digests[name] for name, _, begin, _ in part} | {"archives": number + 1}
        write(record, json.dumps(brought))
    names = sorted({piece[0] for piece in left})
    return {"files": len(files), "new archives": len(parts), "files that no call has brought": len(names), "such as": names[:3]}


def take_up(archives, published, record):
    """Makes the folder `published` of what archives hold, the later one's where two hold the same, and the record of it."""
    published.parent.mkdir(parents=True, exist_ok=True)
    fresh = published.with_name("taking-up")
    shutil.rmtree(fresh, ignore_errors=True)
    # Of each file the digest that its last pieces are called by, or None where it came whole.
    latest = {}
    for _, archive in archives:
        try:
            with tarfile.open(archive) as tar:
                tar.extractall(fresh, filter="data")
                names = [member.name for member in tar.getmembers() if member.isfile()]
        except (OSError, EOFError, tarfile.TarError, lzma.LZMAError) as error:
            raise RuntimeError(f"{archive} cannot be unpacked ({type(error).__name__}: {error}): lay it there whole, or take all of them away") from error
        for name in names:
            piece = PIECE.fullmatch(name)
            latest[piece[1] if piece else name] = piece and piece[2]
    brought = {"archives": 1 + max(number for number, _ in archives)}
    for name, digest in latest.items():
        whole = fresh / name
        if digest is None:
            brought[key(name, 0)] = sha256(whole.read_bytes())
            continue
        pieces = [piece.read_bytes() for piece in sorted(whole.parent.glob(f"{glob.escape(whole.name)}.{digest}.piece-*"))]
        content = b"".join(pieces)
        whole.unlink(missing_ok=True)
        if sha256(content).startswith(digest):
            whole.write_bytes(content)
            begins = [sum(map(len, pieces[:i])) for i in range(len(pieces))]
            brought |= {key(name, begin): sha256(content) for begin in begins}
    for piece in fresh.rglob("*.piece-*"):
        if PIECE.fullmatch(piece.name):
            piece.unlink()
    lacking = [name for manifest in fresh.glob("*/manifest.json") for name in lacked(manifest)]
    lacking += [f"{folder.name}/manifest.json" for folder in fresh.iterdir() if not (folder / "manifest.json").exists()]
    if lacking:
        raise RuntimeError(f"the archives lack {len(lacking)} files of their suite, such as {lacking[0]}: lay all that were brought beside run.py, or none")
    os.replace(fresh, published)
    write(record, json.dumps(brought))


def lacked(manifest):
    """What a suite's manifest lists and its folder does not hold."""
    folder, listed = manifest.parent, json.loads(manifest.read_text())
    names = [one["file"] for one in listed["checkpoints"]] + list(listed["files"])
    return [f"{folder.name}/{name}" for name in names if not (folder / name).is_file()]
