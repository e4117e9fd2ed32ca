"""Makes the pictures beside this file, and what Pillow and torchvision make of them.

Made with Python 3.11, Pillow 13.0.0, torch 2.11.0, torchvision 0.26.0, numpy 2.4.6, scipy 1.17.1:

    python make.py

The pictures are computed here, so nobody has rights in them. `NAME.rgb` are the pixels of NAME as
`Image.open(NAME).convert("RGB")` gives them, which is what torchvision's ImageFolder reads. `expected.json` has crops and
resizes by torchvision, and which beginnings of each file the two of them read. `devkit.tar.gz` is laid out as
ILSVRC 2012's is, with five synsets.
"""

import io
import json
import tarfile
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from scipy.io import savemat
from torchvision.io import ImageReadMode, decode_image
from torchvision.transforms import InterpolationMode, RandomResizedCrop
from torchvision.transforms.v2 import functional as F

HERE = Path(__file__).parent


def scene(width, height, seed):
    """Smooth colours, edges and a little noise: what photographs have."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    planes = []
    for c in range(3):
        wave = 90 * np.sin(x / (5.0 + 3 * c) + rng.uniform(0, 6)) * np.cos(y / (7.0 + 2 * c))
        disc = 80 * ((x - width * rng.uniform()) ** 2 + (y - height * rng.uniform()) ** 2 < (height / 3) ** 2)
        planes.append(110 + wave + disc + rng.normal(0, 6, (height, width)))
    return Image.fromarray(np.clip(np.stack(planes, -1), 0, 255).astype(np.uint8))


def save(name, image, **options):
    image.save(HERE / name, **options)


def make():
    a = scene(75, 51, 1)
    for name, subsampling in [("420", 2), ("422", 1), ("444", 0)]:
        save(f"baseline-{name}.jpg", a, quality=85, subsampling=subsampling)
        save(f"progressive-{name}.jpg", a, quality=85, subsampling=subsampling, progressive=True)
    save("restarts.jpg", a, quality=85, restart_marker_blocks=2)
    save("grey.jpg", a.convert("L"), quality=85)
    save("cmyk.jpg", a.convert("CMYK"), quality=85)
    # The same data, said to be YCCK: the last byte of Adobe's marker.
    data = bytearray((HERE / "cmyk.jpg").read_bytes())
    adobe = data.index(b"Adobe")
    data[adobe + 11] = 2
    (HERE / "ycck.jpg").write_bytes(data)
    # Without the marker: plain CMYK, whatever that looks like.
    (HERE / "cmyk-plain.jpg").write_bytes(data[: adobe - 4] + data[adobe + 12 :])
    exif = Image.Exif()
    exif[0x0112] = 6
    save("turned.jpg", a, quality=85, exif=exif)
    save("png.JPEG", a, format="PNG")
    save("png-alpha.JPEG", Image.merge("RGBA", [*a.split(), a.convert("L")]), format="PNG")
    save("png-grey.JPEG", a.convert("L"), format="PNG")
    # 16 bits, some of which fit into 8: what is above, Pillow cuts off.
    deep = np.asarray(a.convert("L")).astype(np.uint16) * 3
    save("png-grey-16.JPEG", Image.fromarray(deep), format="PNG")
    save("png-palette.JPEG", a.quantize(16), format="PNG")
    save("large.jpg", scene(331, 247, 2), quality=90)


def pixels():
    for path in sorted(HERE.glob("*.[jJ][pP]*")):
        if path.name != "large.jpg" and path.suffix != ".rgb":
            image = Image.open(path).convert("RGB")
            (HERE / f"{path.name}.rgb").write_bytes(np.asarray(image).tobytes())


def reads(read):
    try:
        read()
    except (OSError, RuntimeError, SyntaxError):
        return False
    return True


def cuts():
    found = {}
    for name in ["baseline-420.jpg", "progressive-420.jpg", "grey.jpg", "cmyk.jpg", "restarts.jpg", "png.JPEG"]:
        data = (HERE / name).read_bytes()
        n = len(data)
        lengths = [n * tenth // 10 for tenth in range(1, 10)] + [n - 40, n - 4, n - 2, n - 1, n]
        rows = []
        for length in lengths:
            cut = data[:length]
            pillow = reads(lambda: Image.open(io.BytesIO(cut)).convert("RGB"))
            tensor = torch.frombuffer(bytearray(cut), dtype=torch.uint8)
            vision = reads(lambda: decode_image(tensor, ImageReadMode.RGB))
            rows.append({"bytes": length, "pillow": pillow, "torchvision": vision})
        found[name] = rows
    return found


def crops():
    """Boxes are left, top, width, height; what comes out is 40 x 40."""
    image = Image.open(HERE / "large.jpg").convert("RGB")
    boxes = [(0, 0, 331, 247), (17, 31, 200, 180), (100, 3, 61, 44), (250, 200, 81, 47), (3, 5, 40, 40), (9, 9, 23, 31)]
    rows = []
    for left, top, width, height in boxes:
        out = F.resized_crop(image, top, left, height, width, [40, 40], InterpolationMode.BILINEAR, antialias=True)
        rows.append({"box": [left, top, width, height], "pixels": np.asarray(out).flatten().tolist()})
    return rows


def centres():
    """As for evaluation: shorter side 64 of 256, middle 56 of 224; also where the picture has that side already."""
    rows = []
    for name, shorter, side in [("large.jpg", 64, 56), ("baseline-444.jpg", 51, 45), ("baseline-420.jpg", 90, 79)]:
        image = Image.open(HERE / name).convert("RGB")
        out = F.center_crop(F.resize(image, [shorter], InterpolationMode.BILINEAR, antialias=True), [side, side])
        rows.append({"name": name, "shorter": shorter, "side": side, "pixels": np.asarray(out).flatten().tolist()})
    return rows


def moments():
    """Of torchvision's own draws, 200,000 a size: means, and means of squares."""
    torch.manual_seed(1)
    rows = []
    for width, height in [(1000, 1000), (500, 375), (300, 700), (160, 40)]:
        image = torch.empty(3, height, width, dtype=torch.uint8)
        values = []
        for _ in range(200_000):
            top, left, h, w = RandomResizedCrop.get_params(image, (0.08, 1.0), (3 / 4, 4 / 3))
            values.append((w * h / (width * height), np.log(w / h), left / width, top / height, float(h == height)))
        values = np.array(values)
        row = {"width": width, "height": height}
        for name, column in zip(["area", "ratio", "left", "top", "full_height"], values.T):
            row[name] = [float(column.mean()), float((column**2).mean())]
        rows.append(row)
    return rows


def devkit():
    """Three classes, and two above them, in no order; the numbers are of the types that MATLAB chose in the genuine file."""
    kinds = [("ILSVRC2012_ID", "O"), ("WNID", "O"), ("words", "O"), ("gloss", "O"), ("num_children", "O"),
             ("children", "O"), ("wordnet_height", "O"), ("num_train_images", "O")]
    rows = [(1, "n02119789", 0), (2, "n02100735", 0), (3, "n02110185", 0), (4, "n00001740", 2), (5, "n00001930", 1)]
    synsets = np.zeros((len(rows), 1), dtype=kinds)
    for i, (number, wnid, n_children) in enumerate(rows):
        synsets[i, 0] = (np.uint8(number), wnid, "words", "a gloss", np.uint8(n_children),
                         np.arange(n_children, dtype=np.uint8), np.uint8(0), np.uint16(1300))
    mat = io.BytesIO()
    savemat(mat, {"synsets": synsets}, do_compression=True)
    truth = "3\n1\n2\n1\n"
    with tarfile.open(HERE / "devkit.tar.gz", "w:gz") as tar:
        for name, content in [("meta.mat", mat.getvalue()), ("ILSVRC2012_validation_ground_truth.txt", truth.encode())]:
            info = tarfile.TarInfo(f"ILSVRC2012_devkit_t12/data/{name}")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))


if __name__ == "__main__":
    make()
    pixels()
    devkit()
    (HERE / "moments.json").write_text(json.dumps(moments(), indent=1) + "\n")
    text = json.dumps({"cuts": cuts(), "crops": crops(), "centres": centres()}, separators=(",", ":"))
    (HERE / "expected.json").write_text(text + "\n")
