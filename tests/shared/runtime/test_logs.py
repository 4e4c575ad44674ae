import json

import pytest
import structlog

from shared.runtime.logs import configure_logs


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_the_trace_of_an_exception_shows_no_variables(capsys: pytest.CaptureFixture[str], log_format: str) -> None:
    configure_logs(log_format)

    _fail_with("a key that nobody shall read")

    written = capsys.readouterr().err
    assert "the cause" in written
    assert "_fail_with" in written
    assert "nobody shall read" not in written


def test_a_line_is_one_json_object(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("json")

    structlog.get_logger().info("item.accepted", item_id="abc", title="Überschrift")

    line = json.loads(capsys.readouterr().err)
    assert (line["event"], line["level"], line["item_id"], line["title"]) == (
        "item.accepted",
        "info",
        "abc",
        "Überschrift",
    )


def _fail_with(secret: str) -> None:
    try:
        _refuse({"authorization": secret})
    except ValueError:
        structlog.get_logger().exception("batch.failed")


def _refuse(headers: dict[str, str]) -> None:
    raise ValueError(f"the cause, with {len(headers)} header")
