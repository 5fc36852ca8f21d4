"""Living beside python-decouple, the settings library, which installs a module file `decouple.py` where we install a folder.

The folder wins the import, so `from decouple import config` reaches us. Its names are handed on from its own file, found
through its distribution's metadata, whichever of the two was installed first. Nothing of it is loaded before it is asked for.
"""

from __future__ import annotations

import importlib.util
import sys
from importlib import metadata
from types import ModuleType
from typing import Any

__all__ = ["handed_on"]

DISTRIBUTION = "python-decouple"
LOADED_AS = "python_decouple"
KNOWN = frozenset(
    {
        "AutoConfig",
        "Choices",
        "Config",
        "Csv",
        "DEFAULT_ENCODING",
        "FALSE_VALUES",
        "RepositoryEmpty",
        "RepositoryEnv",
        "RepositoryIni",
        "RepositorySecret",
        "TRUE_VALUES",
        "Undefined",
        "UndefinedValueError",
        "config",
        "strtobool",
        "undefined",
    }
)


def handed_on(name: str) -> Any:
    """python-decouple's `name`. AttributeError if it has none; ImportError, saying why, for its names when it is missing.

    ImportError because `from decouple import config` hides the text of an AttributeError.
    """
    if name.startswith("__"):
        raise AttributeError(f"module 'decouple' has no attribute {name!r}")
    neighbour = load()
    if neighbour is not None and hasattr(neighbour, name):
        return getattr(neighbour, name)
    if neighbour is None and name in KNOWN:
        raise ImportError(
            f"{name!r} belongs to python-decouple, the settings library, which is not installed: this is "
            f"decouple-messaging, which shares its import name and hands its names on; pip install python-decouple",
            name="decouple",
        )
    raise AttributeError(f"module 'decouple' has no attribute {name!r}")


def load() -> ModuleType | None:
    """python-decouple's module, loaded from its own file; None when it is not installed."""
    loaded = sys.modules.get(LOADED_AS)
    if loaded is not None:
        return loaded
    try:
        files = metadata.files(DISTRIBUTION) or []
    except metadata.PackageNotFoundError:
        return None
    for file in files:
        if str(file) == "decouple.py":
            return load_from(str(file.locate()))
    return None


def load_from(path: str) -> ModuleType | None:
    spec = importlib.util.spec_from_file_location(LOADED_AS, path)
    if spec is None or spec.loader is None:
        return None
    module = importlib.util.module_from_spec(spec)
    sys.modules[LOADED_AS] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[LOADED_AS]
        raise
    return module
