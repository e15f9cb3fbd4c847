"""Where the data files are: in the wheel inside the package, in a checkout at its root."""

from importlib.util import find_spec
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def contracts() -> Path:
    """The folder of the OpenAPI descriptions and JSON Schemas. Raises FileNotFoundError for a broken
    installation.
    """
    return _folder("contracts")


def scenarios() -> Path:
    """The folder of the stories that come with Gatecrash. Raises FileNotFoundError for a broken
    installation.
    """
    return _folder("scenarios")


def reference_merchant() -> Path:
    """The folder of the reference merchant, with its profile. Raises FileNotFoundError for a broken
    installation.
    """
    spec = find_spec("reference_merchant")
    if spec is None or not spec.submodule_search_locations:
        raise FileNotFoundError("no package reference_merchant: it comes with gatecrash; reinstall gatecrash")
    return Path(spec.submodule_search_locations[0])


def _folder(name: str) -> Path:
    shipped = _PACKAGE / "data" / name
    in_checkout = _PACKAGE.parent.parent / name
    for folder in (shipped, in_checkout):
        if folder.is_dir():
            return folder
    raise FileNotFoundError(f"no folder {name}/: looked for {shipped} and {in_checkout}; reinstall gatecrash")
