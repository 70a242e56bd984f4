"""Weight files that other packages carry: found, and checked by their sha256."""

import hashlib
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from pytti_graph import MissingError


@dataclass(frozen=True)
class WeightFile:
    """A file inside an installed package.

    Attributes:
        distribution: What to `pip install`.
        package: The package that holds the file.
        path: Where, relative to the package.
        sha256: What the file must hash to.
    """

    distribution: str
    package: str
    path: str
    sha256: str

    @property
    def name(self) -> str:
        """The file's name qualified by its distribution, unique in a run's record."""
        return f"{self.distribution}/{Path(self.path).name}"

    def locate(self) -> Path:
        """Return the file's path once its hash is checked.

        Raises:
            MissingError: The package or the file is absent, or the file is not the one expected.
        """
        hint = f"pip install --force-reinstall {self.distribution}"
        try:
            path = Path(str(files(self.package))) / self.path
        except ModuleNotFoundError as error:
            raise MissingError(f"the package {self.distribution} is not installed", hint=hint) from error
        if not path.is_file():
            raise MissingError(f"{self.distribution} has no file {self.path}", hint=hint)
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != self.sha256:
            raise MissingError(f"{path} is not the file expected: its sha256 is {found}, not {self.sha256}", hint=hint)
        return path
