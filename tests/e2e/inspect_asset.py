"""Looks at an unpacked asset from inside the functions' Python. Run with `-I -S`: standard library only.

    inspect_asset.py ASSET HANDLER...

Imports every handler with nothing but the asset on the path, compares all bytecode with its source, and prints what it
found as JSON. Unchecked bytecode is run whatever the source says, so only the hash inside tells whether it is stale.
"""

import importlib
import importlib.util
import json
import sys
from pathlib import Path

UNCHECKED_HASH = 0b01  # flags: hash-based, source never looked at


def main() -> None:
    """Paths in the answer are relative to the asset."""
    asset, *handlers = Path(sys.argv[1]), *sys.argv[2:]
    standard_library = set(sys.path)
    sys.path.insert(0, str(asset))
    callables = {}
    for handler in handlers:
        module, _, function = handler.rpartition(".")
        callables[handler] = callable(getattr(importlib.import_module(module), function))
    files = [getattr(module, "__file__", None) for module in list(sys.modules.values())]
    loaded = [Path(file) for file in files if file]
    known = [Path(entry) for entry in standard_library] + [asset, Path(__file__).parent]
    report = {
        "python": list(sys.version_info[:2]),
        "handlers": callables,
        "foreign": [str(p) for p in loaded if not any(p.is_relative_to(entry) for entry in known)],
        **_bytecode(asset),
    }
    sys.stdout.write(json.dumps(report))


def _bytecode(asset: Path) -> dict[str, list[str]]:
    kinds = ("current", "stale", "checked", "other_version", "orphaned", "missing")
    found: dict[str, list[str]] = {kind: [] for kind in kinds}
    sources = {p for p in asset.rglob("*.py") if "__pycache__" not in p.parts}
    for path in sorted(asset.rglob("*.pyc")):
        name = path.relative_to(asset).as_posix()
        source = path.parent.parent / f"{path.name.split('.')[0]}.py"
        if source not in sources:
            found["orphaned"].append(name)
            continue
        sources.discard(source)
        code = path.read_bytes()
        if code[:4] != importlib.util.MAGIC_NUMBER:
            found["other_version"].append(name)
        elif int.from_bytes(code[4:8], "little") != UNCHECKED_HASH:
            found["checked"].append(name)
        elif code[8:16] != importlib.util.source_hash(source.read_bytes()):
            found["stale"].append(name)
        else:
            found["current"].append(name)
    found["missing"] = sorted(p.relative_to(asset).as_posix() for p in sources)
    return found


if __name__ == "__main__":
    main()
