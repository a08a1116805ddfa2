# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The registry of log formats: a file for each. ``kind.Format`` says what one declares."""

from __future__ import annotations

from .azure_activity import AZURE_ACTIVITY
from .cloudtrail import CLOUDTRAIL
from .entra_audit import ENTRA_AUDIT
from .entra_signin import ENTRA_SIGNIN
from .gcp_audit import GCP_AUDIT
from .kind import Format

FORMATS: dict[str, Format] = {f.source: f for f in (CLOUDTRAIL, AZURE_ACTIVITY, ENTRA_AUDIT, ENTRA_SIGNIN, GCP_AUDIT)}
OF_CLOUD = {cloud: tuple(f for f in FORMATS.values() if f.cloud == cloud) for cloud in ("aws", "azure", "gcp")}
