# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures of an analysis: the timeline and the lineage as SVG, a page that holds them, the layer for the ATT&CK Navigator."""
