"""Objects that several processes see, and that can be put as a whole only: as in clouds."""

from __future__ import annotations

import os
from typing import Any
from uuid import uuid4

import fsspec
from fsspec.implementations.local import LocalFileSystem


class WholeObjects(LocalFileSystem):
    """Files that are neither written on nor seen before they are whole."""

    protocol = "whole"

    @classmethod
    def _strip_protocol(cls, path: Any) -> Any:
        return super()._strip_protocol(str(path).removeprefix("whole://"))

    def pipe_file(self, path: str, value: bytes, mode: str = "overwrite", **options: Any) -> None:
        path = self._strip_protocol(path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        new = f"{path}.{uuid4().hex}"
        with open(new, "wb") as opened:
            opened.write(value)
        if mode == "create":
            try:
                os.link(new, path)
            finally:
                os.unlink(new)
        else:
            os.replace(new, path)

    def _open(self, path: str, mode: str = "rb", **options: Any) -> Any:
        assert mode == "rb", "objects are put as a whole"
        return super()._open(path, mode, **options)


def register() -> None:
    """Let this process know such objects."""
    fsspec.register_implementation("whole", WholeObjects, clobber=True)
