# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures and page: self-contained, the same bytes twice, readable with few and with many events, and nothing of a log is markup in them."""

from __future__ import annotations

import html.parser
import json
import xml.etree.ElementTree as ET
from typing import Any

import pytest

from ansible_collections.evict.cloud.plugins.module_utils.common.analysis import taint
from ansible_collections.evict.cloud.plugins.module_utils.common.analysis.pictures import lineage, navigator, page, timeline
from ansible_collections.evict.cloud.plugins.module_utils.common.suspect import only
from tests.unit.analysis.events_made import EVIL, assume, assumed, database, event, key_made, moment, session, user, user_made

pytest.importorskip("matplotlib")
KEY = "AKIAIOSFODNN7EXAMPLE"
THIEF: dict[str, Any] = {**user("ci", key=KEY), "src_ip": EVIL}
NASTY = "x$^2$<script>alert(1)</script>&\u202e\x1b[31m"


def few(name: str = "backup") -> list[Any]:
    return [
        event(**THIEF, at="10:00", service="sts", operation="GetCallerIdentity"),
        event(**THIEF, at="10:01", service="iam", operation="CreateUser", response=user_made(name)),
        event(
            **THIEF,
            at="10:02",
            service="iam",
            operation="CreateAccessKey",
            request={"userName": name},
            response=key_made("AKIANEW0000000000001", name),
        ),
        event(
            **user(name, key="AKIANEW0000000000001"),
            src_ip=EVIL,
            at="10:20",
            service="ec2",
            operation="DescribeInstances",
            error="UnauthorizedOperation",
        ),
    ]


def many() -> list[Any]:
    rows = few()
    for n in range(40):
        key = f"ASIASESSION0000001{n:02}"
        rows.append(
            event(
                **THIEF,
                at=f"11:{n:02}",
                service="sts",
                operation="AssumeRole",
                request=assume("r", f"s{n}"),
                response=assumed("r", f"s{n}", key),
            )
        )
        rows += [
            event(
                **session("r", f"s{n}", key=key, created=f"11:{n:02}"),
                src_ip=EVIL,
                at=f"{12 + m // 60}:{m % 60:02}:{n:02}",
                operation="PutObject",
                read_only=m % 3 > 0,
            )
            for m in range(125)
        ]
    return rows


def drawn(rows: list[Any]) -> tuple[str, str]:
    with database(rows) as made:
        taint.trace(made, [only(KEY)], start=moment("0:00"))
        return timeline.draw(made), lineage.draw(made)


def texts(svg: str) -> list[str]:
    return ["".join(e.itertext()).strip() for e in ET.fromstring(svg).iter() if e.tag.endswith("text")]


def test_few_events_are_marks_and_many_are_columns() -> None:
    time, tree = drawn(few())
    assert {"CreateUser", "CreateAccessKey", "GetCallerIdentity", "user/ci", "user/backup"} <= set(texts(time))
    assert any(KEY in t for t in texts(tree)) and any("user/backup" in t for t in texts(tree))
    time, tree = drawn(many())
    assert any(t.startswith("and ") and t.endswith(" others") for t in texts(time)) and not {"CreateUser"} & set(
        texts(time)
    )  # lanes end somewhere, calls are not written one over the other
    assert any("40 × session" in t for t in texts(tree))
    assert len(time) < 2_000_000 and len(tree) < 200_000


def test_the_same_case_gives_the_same_bytes() -> None:
    rows = few()
    assert drawn(rows) == drawn(rows)


def test_nothing_is_drawn_of_nobody() -> None:
    with database([]) as made:
        taint.trace(made, [only(KEY)], start=moment("0:00"))
        assert timeline.draw(made) == ""


class Tags(html.parser.HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def test_hostile_text_is_text_in_every_picture_and_on_the_page() -> None:
    time, tree = drawn(few(NASTY))
    assert any("x$^2$<script>" in t for t in texts(time) + texts(tree))
    row = {"technique": NASTY, "object": NASTY, "operations": [NASTY], "count": 1, "verdict": NASTY, "confidence": 100}
    made = page.page(
        NASTY,
        [NASTY],
        {"in wrong hands": NASTY},
        [("Timeline", time), ("Lineage", tree), ("Table", page.table([row], dict.fromkeys(row, "x"), "none"))],
    )
    tags = Tags()
    tags.feed(made)
    names = {tag for tag, _attributes in tags.found}
    assert "script" not in names and "a" not in names and "img" not in names and "\u202e" not in made and "\x1b" not in made
    assert not any(name.startswith("on") for _tag, attributes in tags.found for name in attributes)
    assert not any(
        str(value).startswith(("http:", "https:", "//"))
        for _t, a in tags.found
        for n, value in a.items()
        if n in ("src", "href", "xlink:href")
    )
    assert "default-src 'none'" in made


def test_a_layer_has_each_technique_once_with_how_often_and_on_what() -> None:
    row = {"mitre": ["T1098.001"], "object": NASTY, "operations": ["iam:CreateAccessKey"], "count": 2, "verdict": "review"}
    layer = json.loads(navigator.layer("IR-1", [row, {**row, "verdict": "rogue", "count": 3}]))
    assert [(t["techniqueID"], t["score"], t["color"]) for t in layer["techniques"]] == [("T1098.001", 5, "#b42318")]
    assert (
        "\u202e" not in json.dumps(layer, ensure_ascii=False)
        and layer["versions"]["layer"] == "4.5"
        and layer["domain"] == "enterprise-attack"
    )
