# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An SVG to draw on. The only importer of matplotlib.

Text is drawn as text and never as mathematics or markup, whoever chose it; the same input gives the same bytes.
"""

from __future__ import annotations

import contextlib
import io
import re
import typing as t
from collections.abc import Iterator

from ...errors import MissingLibrary
from ...schema import printable

try:
    import matplotlib as mpl
    from matplotlib import dates
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure
except ImportError as _error:
    mpl = None  # type: ignore[assignment]
    MATPLOTLIB_IMPORT_ERROR: ImportError | None = _error
else:
    MATPLOTLIB_IMPORT_ERROR = None

ROGUE, REVIEW, CALM, INK, FAINT = "#b42318", "#b54708", "#175cd3", "#1d2939", "#d0d5dd"
_SETTINGS: dict[t.Any, t.Any] = {
    "svg.fonttype": "none", "svg.hashsalt": "evict.cloud", "text.parse_math": False, "font.family": "sans-serif", "font.size": 9,
    "font.sans-serif": ["DejaVu Sans"], "axes.edgecolor": FAINT, "xtick.color": INK, "ytick.color": INK,
}  # fmt: skip


@contextlib.contextmanager
def figure(width: float, height: float, fitted: bool = True) -> Iterator[tuple[t.Any, list[str]]]:
    """(the figure, in inches; ``fitted``: axes are laid out around their labels; a list that holds its SVG when the block is left). Raises MissingLibrary."""
    if mpl is None:
        from ansible.module_utils.basic import missing_required_lib

        raise MissingLibrary(missing_required_lib("matplotlib", reason="to draw pictures"), object="matplotlib", operation="import")
    done: list[str] = []
    with mpl.rc_context(_SETTINGS):
        drawn = Figure(figsize=(width, height), layout="constrained" if fitted else None)
        FigureCanvasSVG(drawn)
        yield drawn, done
        out = io.StringIO()
        drawn.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
        done.append(_inline(out.getvalue()))


def clock(axes: t.Any) -> None:
    """The x axis in UTC, each date once."""
    places = dates.AutoDateLocator()
    axes.xaxis.set_major_locator(places)
    axes.xaxis.set_major_formatter(dates.ConciseDateFormatter(places))
    axes.set_xlabel("UTC")


def _inline(svg: str) -> str:
    """For a page: without the XML head, as wide as there is room."""
    return re.sub(
        r'(<svg[^>]*?) width="[^"]*" height="[^"]*"', r'\1 width="100%" preserveAspectRatio="xMinYMin"', svg[svg.index("<svg") :], count=1
    )


def short(text: str, limit: int = 48) -> str:
    """One line for a label: control characters escaped, the middle left out."""
    shown = printable(text, 400)
    return shown if len(shown) <= limit else f"{shown[: limit // 2 - 1]}…{shown[-(limit // 2) :]}"


def name_of(arn: str) -> str:
    """``user/ci`` of an ARN; the text itself of anything else."""
    return arn.split(":", 5)[5] if arn.startswith("arn:") and arn.count(":") >= 5 else arn
