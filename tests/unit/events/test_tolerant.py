"""The bounded reader: linear, within its limits, and it says what it left out."""

import gzip
import io
import json

from ansible_collections.evict.cloud.plugins.module_utils.common.events import layout, tolerant

from .logs_made import cloudtrail, put

LIMITS = tolerant.Limits(plain=1 << 20, small=1 << 16, record=20_000, depth=20)


def _read(path, layout="Records", packed=False, limits=LIMITS):
    out = io.BytesIO()
    report = tolerant.read(path, packed, layout, out, limits)
    return report, [json.loads(line) for line in out.getvalue().splitlines()]


def test_limits_hold(tmp_path):
    big = put(tmp_path / "big.json", '{"Records":[' + json.dumps(cloudtrail(1)) + "," + " " * (2 << 20) + json.dumps(cloudtrail(2)) + "]}")
    report, found = _read(big)
    assert len(found) == 1 and any("the rest was not read" in why for why in report.why)
    bomb = put(tmp_path / "bomb.json.gz", gzip.compress(json.dumps(cloudtrail(1)).encode() + b"\n" + b"\n" * (900 << 10)))
    report, found = _read(bomb, "lines", packed=True)
    assert len(found) == 1 and any("times its size" in why for why in report.why)
    # Of several members only the last says its size.
    many = put(tmp_path / "many.json.gz", gzip.compress(b"\n" * (900 << 10)) * 5 + gzip.compress(json.dumps(cloudtrail(1)).encode()))
    assert layout.look(many).plain < 2000
    report, found = _read(many, "lines", packed=True)
    assert found == [] and any("the rest was not read" in why for why in report.why)
    wide = put(tmp_path / "wide.json", {"Records": [cloudtrail(1, userAgent="x" * 30_000), cloudtrail(2)]})
    report, found = _read(wide)
    assert [record["eventID"][-1] for record in found] == ["2"] and report.lost == 1


def test_what_is_nested_too_deep_is_left_out_of_its_record(tmp_path):
    deep = json.loads('{"a":' * 500 + "{}" + "}" * 500)
    report, found = _read(
        put(tmp_path / "deep.json", {"Records": [cloudtrail(1, requestParameters={"x": deep, "kept": 1}), cloudtrail(2)]})
    )
    assert report.cut == 1 and len(found) == 2 and found[0]["requestParameters"]["kept"] == 1 and found[1] == cloudtrail(2)
    assert "left out" in json.dumps(found[0])


def test_strings_hide_nothing_and_end_with_their_line(tmp_path):
    tricky = cloudtrail(1, userAgent='}]}"\\{[', errorMessage='\\"{')
    report, found = _read(put(tmp_path / "tricky.json", {"Records": [tricky, cloudtrail(2)]}))
    assert found == [tricky, cloudtrail(2)] and report.lost == 0 and report.why == []
    lines = [json.dumps(cloudtrail(1)), '{"userAgent": "never closed', json.dumps(cloudtrail(2)), "}}}]", json.dumps(cloudtrail(3))]
    report, found = _read(put(tmp_path / "lines.json", "\n".join(lines)), "lines")
    assert found == [cloudtrail(1), cloudtrail(2), cloudtrail(3)] and report.lost == 1
    quotes = put(tmp_path / "quotes.json", '{"Records":[{"a":"' + '\\"' * 500_000)  # would be quadratic where every quote is tried anew
    assert _read(quotes)[0].lost == 1
    answer = {"Events": [{"EventId": "e", "CloudTrailEvent": json.dumps(cloudtrail(4))}, {"EventId": "none"}]}
    report, found = _read(put(tmp_path / "events.json", answer), "Events")
    assert found == [cloudtrail(4)] and report.lost == 1


def test_numbers_and_characters_that_json_has_not(tmp_path):
    text = json.dumps({"Records": [cloudtrail(1, userAgent="\ud800x"), cloudtrail(2)]}).replace(
        '"readOnly": false', '"readOnly": NaN, "n": 1e999, "t": "a\tb"'
    )
    _report, found = _read(put(tmp_path / "odd.json", text))
    assert [record["userAgent"] for record in found] == ["?x", "aws-cli/2.15.30"]
    assert found[0]["readOnly"] is None and found[0]["n"] is None and found[0]["t"] == "a\tb"
