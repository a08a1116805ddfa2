# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the attacker did, from the tables of a case: lineage, what its identities did, views, findings. Reads ``events`` and ``gaps`` only."""
