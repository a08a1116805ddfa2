"""A seeded red team against the enforcing bed: see __main__.py."""

import sys
from pathlib import Path

_COLLECTIONS = str(Path(__file__).resolve().parents[2] / ".collections")  # the modules are called in-process
if _COLLECTIONS not in sys.path:
    sys.path.insert(0, _COLLECTIONS)
