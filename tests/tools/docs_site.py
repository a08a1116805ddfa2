"""Build the documentation site from the collection's own documentation and docs/docsite: build/docs/site/index.html."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
WORK = ROOT / "build" / "docs"
BIN = Path(sys.executable).parent

CONF = """\
project = "evict.cloud"
html_title = "evict.cloud"
copyright = "evict.cloud contributors"
extensions = ["sphinx_antsibull_ext"]
html_theme = "furo"
html_show_sphinx = False
html_copy_source = False
pygments_style = "ansible"
highlight_language = "YAML+Jinja"
default_role = "any"
nitpicky = True
"""
# Labels of Ansible's own documentation, to which generated pages link; everything else that is undefined is an error.
ELSEWHERE = ("'common_return_values'", "'ansible_configuration_settings'", "'action_plugins'")


def main() -> int:
    environment = os.environ | {
        "PATH": os.pathsep.join((str(BIN), os.environ.get("PATH", os.defpath))),
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
        "NO_COLOR": "1",
    }
    shutil.rmtree(WORK, ignore_errors=True)
    (WORK / "rst").mkdir(parents=True)
    (WORK / "rst").chmod(0o700)  # antsibull-docs writes nowhere else
    (WORK / "conf.py").write_text(CONF, encoding="utf-8")
    pages = ["antsibull-docs", "collection", "--use-current", "--fail-on-error", "--squash-hierarchy", "--dest-dir", "rst", "evict.cloud"]
    html = ["sphinx-build", "--quiet", "-b", "html", "-c", ".", "-w", "warnings.txt", "rst", "site"]
    for command in (pages, html):
        code = subprocess.run([str(BIN / command[0]), *command[1:]], cwd=WORK, env=environment, check=False).returncode
        if code:
            return code
    warnings = (WORK / "warnings.txt").read_text(encoding="utf-8").splitlines()
    ours = [line for line in warnings if line.strip() and not any(label in line for label in ELSEWHERE)]
    if ours:
        print("docs: these warnings are errors here:", *ours, sep="\n  ")
        return 1
    print(f"docs: {(WORK / 'site' / 'index.html').relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
