"""The blocks of docs/deploying.md that are made of data are current."""

from __future__ import annotations

from pathlib import Path

from prober.doctor.grants_doc import blocks, columns, current

PAGE = Path(__file__).parents[2] / "docs" / "deploying.md"


def test_the_page_is_current_and_has_every_block() -> None:
    text = PAGE.read_text()
    assert text == current(text), "run: make generated"
    for name, block in blocks().items():
        assert f"<!-- begin {name} -->\n{block}<!-- end {name} -->" in text


def test_the_tables_of_the_deployed_system_are_read_whole() -> None:
    known = columns()
    assert set(known) >= {
        "orders",
        "vendor_routings",
        "vendor_responses",
        "processed_messages",
        "whatsapp_messages",
    }
    assert known["whatsapp_messages"] == ["id", "from", "to", "body", "mediaUrl", "direction", "createdAt"]
