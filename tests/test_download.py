"""Downloads on request, against a server on this machine: whole, broken, wrong, already there."""

import functools
import gzip
import hashlib
import http.server
import io
import re
import struct
import tarfile
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cnncourse.data import download, make_fashion


class Handler(http.server.SimpleHTTPRequestHandler):
    """Serves a folder; a file in `broken` ends in the middle, as many times as is said there."""

    broken = {}  # noqa: RUF012
    served = []  # noqa: RUF012

    def do_GET(self):
        name = self.path.strip("/")
        self.served.append(name)
        if self.broken.get(name, 0) > 0:
            self.broken[name] -= 1
            whole = Path(self.translate_path(self.path)).read_bytes()
            self.send_response(200)
            self.send_header("Content-Length", str(len(whole)))
            self.end_headers()
            self.wfile.write(whole[: len(whole) // 2])
            self.close_connection = True
        else:
            super().do_GET()

    def log_message(self, *_):
        pass


def packed(files):
    """Return a .tar.gz of files by name."""
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w:gz") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return target.getvalue()


def idx(array):
    """Return an array of bytes in the IDX format, compressed."""
    head = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
    return gzip.compress(head + array.tobytes())


def photograph(colour):
    """Return a photograph of 20×30 pixels with a colour in its middle square, as JPEG."""
    picture = np.zeros((20, 30, 3), np.uint8)
    picture[:, 5:25] = colour
    target = io.BytesIO()
    Image.fromarray(picture).save(target, "JPEG", quality=95)
    return target.getvalue()


@pytest.fixture
def clothes(rng):
    """Return images and labels of a small Fashion-MNIST."""
    labels = np.tile(np.arange(10, dtype=np.uint8), 10)
    return rng.integers(0, 256, (100, 28, 28), dtype=np.uint8), labels


@pytest.fixture
def server(tmp_path, monkeypatch, clothes, rng):
    """Serve small files under the names of the real ones, with their own hashes."""
    folder = tmp_path / "server"
    folder.mkdir()
    images, labels = clothes
    rows = rng.integers(0, 256, (4, 3073), dtype=np.uint8)
    rows[:, 0] = [3, 0, 9, 5]
    names = "airplane automobile bird cat deer dog frog horse ship truck"
    batches = [f"data_batch_{i}" for i in range(1, 6)] + ["test_batch"]
    cifar = {f"cifar-10-batches-bin/{name}.bin": rows.tobytes() for name in batches}
    cifar["cifar-10-batches-bin/batches.meta.txt"] = names.replace(" ", "\n").encode() + b"\n\n"
    pets = {"Abyssinian_1": (200, 0, 0), "beagle_7": (0, 200, 0), "great_pyrenees_2": (0, 0, 200)}
    listing = "Abyssinian_1 1 1 1\nbeagle_7 2 2 1\ngreat_pyrenees_2 3 2 2\n"
    contents = {
        **dict.fromkeys([n for n in download.FASHION_FILES if "images" in n], idx(images)),
        **dict.fromkeys([n for n in download.FASHION_FILES if "labels" in n], idx(labels)),
        "cifar-10-binary.tar.gz": packed(cifar),
        "images.tar.gz": packed({f"images/{n}.jpg": photograph(c) for n, c in pets.items()}),
        "annotations.tar.gz": packed({"annotations/trainval.txt": listing.encode()}),
    }
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    monkeypatch.setattr(Handler, "broken", {})
    monkeypatch.setattr(Handler, "served", [])
    handler = functools.partial(Handler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        for name in ("FASHION", "CIFAR10", "PETS"):
            monkeypatch.setattr(download, f"{name}_URL", f"http://127.0.0.1:{server.server_port}/")
            known = getattr(download, f"{name}_FILES")
            hashes = {n: hashlib.md5(contents[n]).hexdigest() for n in known}
            monkeypatch.setattr(download, f"{name}_FILES", hashes)
        monkeypatch.setenv("CNNCOURSE_DATA", str(tmp_path / "kept"))
        yield folder
        server.shutdown()


def kept():
    """Return the names of what lies in the folder of downloads."""
    return sorted(path.name for path in download.folder().glob("**/*"))


def test_fashion_arrives_whole_and_a_second_call_fetches_nothing(server, clothes):
    images, labels = clothes
    found = download.fashion_mnist("test")
    assert found.images.dtype == np.float32
    assert (found.images[:, 0] * 255 == images).all()
    assert (found.labels == labels).all()
    served = len(Handler.served)
    again = download.fashion_mnist("test", n=3)
    assert again.images.shape == (3, 1, 28, 28)
    assert len(Handler.served) == served == 2


def test_cifar10_is_read_channel_by_channel(server):
    found = download.cifar10("train")
    assert found.images.shape == (20, 3, 32, 32)
    assert [found.names[label] for label in found.labels[:4]] == ["cat", "airplane", "truck", "dog"]
    assert download.cifar10("test", n=2).labels.tolist() == [3, 0]


def test_pets_are_cut_to_their_middle_square_with_their_breed(server):
    found = download.pets(side=16)
    assert found.images.shape == (3, 3, 16, 16)
    assert found.names == ("abyssinian", "beagle", "great_pyrenees")
    brightest = found.images.mean((2, 3)).argmax(1)  # red, green or blue, as the test drew them
    assert (brightest == found.labels).all()
    assert found.images.max((1, 2, 3)).min() > 0.7


def test_a_connection_that_breaks_once_is_tried_again(server):
    Handler.broken["cifar-10-binary.tar.gz"] = 1
    assert len(download.cifar10("test").images) == 4
    assert Handler.served == ["cifar-10-binary.tar.gz"] * 2


def test_a_connection_that_keeps_breaking_is_told_and_leaves_nothing(server, monkeypatch):
    monkeypatch.setattr(download, "RETRIES", 0)
    Handler.broken["cifar-10-binary.tar.gz"] = 99
    with pytest.raises(OSError, match=r"cifar-10-binary.tar.gz could not be fetched.*Nothing was"):
        download.cifar10()
    assert kept() == []


def test_a_wrong_file_is_told_and_leaves_nothing(server, monkeypatch):
    monkeypatch.setattr(download, "RETRIES", 0)
    (server / "images.tar.gz").write_bytes(b"something else")
    with pytest.raises(OSError, match=r"images.tar.gz could not be fetched from .*hash"):
        download.pets()
    assert kept() == []


def test_a_file_that_was_damaged_after_it_came_is_fetched_anew(server):
    download.cifar10()
    (download.folder() / "cifar-10-binary.tar.gz").write_bytes(b"torn")
    assert len(download.cifar10("test").images) == 4


def test_a_missing_file_is_told(server, monkeypatch):
    monkeypatch.setattr(download, "RETRIES", 0)
    (server / "annotations.tar.gz").unlink()
    with pytest.raises(OSError, match=r"annotations.tar.gz could not be fetched .*404"):
        download.pets()
    assert kept() == ["images.tar.gz"]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: download.fashion_mnist("valid"), "split: expected one of 'train', 'test'"),
        (lambda: download.fashion_mnist("test", n=101), "n: expected at most 100, got 101"),
        (lambda: download.cifar10("valid"), "split: expected one of 'train', 'test'"),
        (lambda: download.pets("valid"), "split: expected one of 'train', 'test'"),
        (lambda: download.pets(side=0), "side: expected a whole number above 0, got 0"),
    ],
)
def test_bad_arguments_are_refused(server, call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "expected an IDX file of bytes, got a header"),
        (b"\0\0\x0d\1\0\0\0\1", "expected an IDX file of bytes, got a header 00000d01"),
        (b"\0\0\x08\1\0\0\0\5abc", r"expected \(5,\) bytes, got 3"),
    ],
)
def test_a_file_of_another_format_is_refused(tmp_path, content, message):
    path = tmp_path / "file.gz"
    path.write_bytes(gzip.compress(content))
    with pytest.raises(ValueError, match=message):
        download.read_idx(path)


def test_without_a_wish_files_go_to_the_systems_cache(monkeypatch):
    monkeypatch.delenv("CNNCOURSE_DATA", raising=False)
    assert download.folder().name == "cnncourse"


def test_the_real_hashes_are_md5_sums_and_addresses_end_in_a_slash():
    for name in ("FASHION", "CIFAR10", "PETS"):
        assert getattr(download, f"{name}_URL").endswith("/")
        for md5 in getattr(download, f"{name}_FILES").values():
            assert re.fullmatch("[0-9a-f]{32}", md5)


def test_the_sprite_holds_the_first_images_of_every_class(clothes):
    images, labels = clothes
    picture = make_fashion.sprite(images, labels, 10)
    assert picture.shape == (28, 2800)
    tiles = picture.reshape(28, 100, 28).swapaxes(0, 1)
    order = np.argsort(labels, kind="stable")
    assert (tiles == images[order]).all()


def test_making_the_sprites_writes_both(tmp_path, monkeypatch, server, clothes):
    monkeypatch.setattr(make_fashion, "__file__", str(tmp_path / "make_fashion.py"))
    monkeypatch.setattr(make_fashion, "PER_CLASS", {"train": 10, "test": 10})
    (tmp_path / "fashion").mkdir()
    make_fashion.main(server)
    for split in ("train", "test"):
        picture = tmp_path / "fashion" / f"{split}.png"
        with Image.open(picture) as sprite:
            assert sprite.size == (2800, 28)
