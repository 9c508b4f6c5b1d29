"""Where the wheels keep the servers they carry, found without importing their Python code."""

from importlib.util import find_spec
from pathlib import Path


def folder(package: str) -> Path:
    """The installed folder of a package; raises ModuleNotFoundError with what to do."""
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError(f"{package} is not installed. Run `make setup`.", name=package)
    return Path(spec.submodule_search_locations[0])
