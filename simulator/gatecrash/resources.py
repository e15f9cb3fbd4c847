"""Where the data files are: in the wheel inside the package, in a checkout at its root."""

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


def _folder(name: str) -> Path:
    shipped = _PACKAGE / "data" / name
    in_checkout = _PACKAGE.parent.parent / name
    for folder in (shipped, in_checkout):
        if folder.is_dir():
            return folder
    raise FileNotFoundError(f"no folder {name}/: looked for {shipped} and {in_checkout}; reinstall gatecrash")
