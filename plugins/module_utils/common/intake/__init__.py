# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Findings of detectors, one file per format. Each turns one finding into the same few facts; unknown shapes are refused by name."""

from __future__ import annotations

from . import asff, aws_health, defender, guardduty, ocsf, quarantine, scc, sentinel
from .finding import Finding, Format

FORMATS: tuple[Format, ...] = (guardduty, asff, ocsf, aws_health, quarantine, defender, sentinel, scc)

__all__ = ["FORMATS", "Finding", "Format"]
