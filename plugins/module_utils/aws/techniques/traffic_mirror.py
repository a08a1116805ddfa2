# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AWS-76: Traffic mirroring."""

from __future__ import annotations

ID = "AWS-76"
NAME = "Traffic mirroring"
TACTIC = "exfiltration"
MITRE = ("T1040",)
TIER = 3
EVENTS: dict[str, str] = {
    "ec2:CreateTrafficMirrorSession": "{at.ec2}traffic-mirror-session/{r.trafficMirrorSession.trafficMirrorSessionId}",
    "ec2:CreateTrafficMirrorTarget": "{at.ec2}traffic-mirror-target/{r.trafficMirrorTarget.trafficMirrorTargetId}",
    "ec2:CreateTrafficMirrorFilter": "{at.ec2}traffic-mirror-filter/{r.trafficMirrorFilter.trafficMirrorFilterId}",
}
LOOKALIKE = "sharing with a listed partner/DR account"
