"""Write the generated files: `python tests/tools/generate.py` (`--check` only says which are stale).

A generator is a function that yields (path relative to the checkout, text). To add one, write it and list it in
GENERATORS; tests/contract/test_generated.py then fails whenever the file on disk differs.
"""

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
Files = Iterator[tuple[str, str]]

REQUIRES_ANSIBLE = ">=2.19.0"
GROUPS = ("aws", "azure", "gcp", "case")


def runtime() -> Files:
    """meta/runtime.yml: one action group per module prefix, and `all`, from the module files on disk."""
    modules = sorted(path.stem for path in (ROOT / "plugins" / "modules").glob("*.py") if not path.stem.startswith("_"))
    groups = {group: [name for name in modules if name == group or name.startswith(f"{group}_")] for group in GROUPS}
    strays = set(modules).difference(*groups.values())
    if strays:
        raise SystemExit(f"plugins/modules: {', '.join(sorted(strays))} begins with none of {', '.join(GROUPS)}")
    groups["all"] = modules
    lines = ["---", "# Written by tests/tools/generate.py (`make generate`).", f'requires_ansible: "{REQUIRES_ANSIBLE}"']
    if modules:
        lines.append("action_groups:")
    for group, names in groups.items():
        if names:
            lines += [f"  {group}:", *(f"    - {name}" for name in names)]
    yield "meta/runtime.yml", "\n".join(lines) + "\n"


def execution_environment() -> Files:
    """meta/ee-requirements.txt: the Python packages of requirements/run.in and extra.in, without ansible-core, which the environment brings."""
    lines = [line for name in ("run.in", "extra.in") for line in (ROOT / "requirements" / name).read_text(encoding="utf-8").splitlines()]
    wanted = [line for line in lines if line and not line.startswith(("#", "ansible-core"))]
    yield (
        "meta/ee-requirements.txt",
        "\n".join(["# Written by tests/tools/generate.py from requirements/run.in and extra.in.", *wanted]) + "\n",
    )


def legal_clocks() -> Files:
    """roles/notify/files/legal_clocks.yml: the default table, for people to copy and change."""
    from ansible_collections.evict.cloud.plugins.module_utils.common import legal

    lines = ["---", "# Written by tests/tools/generate.py from module_utils/common/legal.py. NOT LEGAL ADVICE: which of these apply to you is for a lawyer to say.",
             "# Copy it, keep what applies, add what your contracts say, and name the copy in the incident file (or in notify_file): legal: my_clocks.yml",
             "# after: hours (72h), days (30d), business days (4bd: Monday to Friday) or months (1mo), counted from aware_at."]  # fmt: skip
    for row in legal.TABLE:
        lines += [f"{'- ' if key == 'id' else '  '}{key}: {json.dumps(row[key])}" for key in ("id", "law", "duty", "to", "after", "cites")]
    yield "roles/notify/files/legal_clocks.yml", "\n".join(lines) + "\n"


def permissions() -> Files:
    """docs/permissions*: the IAM policies of the responder, from the Steps and READS of the collection."""
    from tests.tools import permissions as written

    yield from written.files()


GENERATORS: tuple[Callable[[], Files], ...] = (runtime, execution_environment, legal_clocks, permissions)


def files() -> Files:
    """Everything that the generators would write."""
    for generator in GENERATORS:
        yield from generator()


def stale() -> dict[str, str]:
    """What the generators would write, by path, where the file on disk is another or missing."""
    return {path: text for path, text in files() if not (ROOT / path).is_file() or (ROOT / path).read_text(encoding="utf-8") != text}


def main() -> int:
    sys.path[:0] = [str(ROOT / ".collections"), str(ROOT)]  # generators may import the collection
    old = stale()
    if sys.argv[1:] == ["--check"]:
        for path in old:
            print(f"stale: {path} (run `make generate`)")
        return 1 if old else 0
    for path, text in old.items():
        (ROOT / path).parent.mkdir(parents=True, exist_ok=True)
        (ROOT / path).write_text(text, encoding="utf-8")
        print(f"wrote {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
