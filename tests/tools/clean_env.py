"""Run a command with no way to a real cloud by accident: `python tests/tools/clean_env.py COMMAND ARGUMENT...`

The one place that says what is scrubbed. Test helpers that start processes of their own use `scrubbed()`.
"""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PREFIXES = ("AWS_", "AZURE_", "ARM_", "MSI_", "IDENTITY_", "GOOGLE_", "GCLOUD_", "GCP_", "GCE_", "CLOUDSDK_", "BOTO_", "VAULT_")
# The last: compiled once and not by each of the hundreds of processes that the tests start, whatever is usual on this machine.
OTHERS = ("BOTO_CONFIG", "CLOUD_ML_PROJECT_ID", "NO_GCE_CHECK", "GITHUB_TOKEN", "GH_TOKEN", "GITLAB_TOKEN", "PYTHONDONTWRITEBYTECODE")


def scrubbed(environ: Mapping[str, str], empty: Path = ROOT / "build" / "no-cloud") -> dict[str, str]:
    """A copy of `environ` without cloud or proxy variables, whose SDK configuration points at empty files under `empty`."""
    empty.mkdir(parents=True, exist_ok=True)
    for name in ("aws-config", "aws-credentials"):
        (empty / name).write_text("")
    kept = {
        name: value
        for name, value in environ.items()
        if not name.upper().startswith(PREFIXES) and name not in OTHERS and not name.lower().endswith("_proxy")
    }
    return kept | {
        # the tools of the environment that this Python belongs to, by name
        "PATH": os.pathsep.join((str(Path(sys.executable).parent), kept.get("PATH", os.defpath))),
        "AWS_CONFIG_FILE": str(empty / "aws-config"),
        "AWS_SHARED_CREDENTIALS_FILE": str(empty / "aws-credentials"),
        "AWS_EC2_METADATA_DISABLED": "true",
        "AZURE_CONFIG_DIR": str(empty / "azure"),
        "CLOUDSDK_CONFIG": str(empty / "gcloud"),  # google-auth looks for its default credentials there
        "NO_GCE_CHECK": "true",
    }


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    os.execvpe(sys.argv[1], sys.argv[1:], scrubbed(os.environ))
