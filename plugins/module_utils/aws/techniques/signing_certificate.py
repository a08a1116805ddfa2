# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AWS-22: X.509 signing certificate or server certificate uploaded."""

from __future__ import annotations

ID = "AWS-22"
NAME = "X.509 signing certificate or server certificate uploaded"
TACTIC = "persistence"
MITRE = ("T1098.001",)
TIER = 2
EVENTS: dict[str, str] = {
    "iam:UploadSigningCertificate": "certificate {r.certificate.certificateId} of {at.iam}user/{q.userName}",
    "iam:UpdateSigningCertificate": "certificate {q.certificateId}",
    "iam:UploadServerCertificate": "{r.serverCertificateMetadata.arn}",
}
LOOKALIKE = "same object made by a change-managed actor (IaC role, HR joiner flow, rotation job) in the same window"
