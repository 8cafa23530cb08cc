"""The record: merged over processes, counted as it grows, empty after a reset."""

from __future__ import annotations

from pathlib import Path

from prober.demo.target.record import Kind, RecordReader, RecordWriter


def test_entries_of_several_writers_come_in_the_order_of_time(tmp_path: Path) -> None:
    first, second = RecordWriter(tmp_path, "worker0", 1), RecordWriter(tmp_path, "worker1", 1)
    for number in range(6):
        (first if number % 2 else second).write(Kind.REPLY, mono=float(number), wall=0.0, sid=str(number))
    first.write(Kind.LOST, mono=2.5, wall=0.0)
    reader = RecordReader(tmp_path)
    assert [entry["sid"] for entry in reader.entries(1, Kind.REPLY, 0.5, 3)] == ["1", "2", "3"]
    assert len(reader.entries(1, None, -1.0, 100)) == 7
    first.close()
    second.close()


def test_the_summary_counts_what_was_added_since(tmp_path: Path) -> None:
    writer, reader = RecordWriter(tmp_path, "worker0", 1), RecordReader(tmp_path)
    for count in (1, 2, 3):
        writer.write(Kind.PROCESSED, sid="x")
        assert reader.summary(1)[Kind.PROCESSED] == count
    assert reader.summary(1)[Kind.LOST] == 0
    writer.close()


def test_half_a_line_is_read_when_it_is_whole(tmp_path: Path) -> None:
    file = tmp_path / "000001-worker0-1.jsonl"
    file.write_bytes(b'{"kind":"reply","mono":1.0}\n{"kind":"re')
    reader = RecordReader(tmp_path)
    assert reader.summary(1)[Kind.REPLY] == 1
    assert len(reader.entries(1, None, 0.0, 10)) == 1
    with file.open("ab") as more:
        more.write(b'ply","mono":2.0}\n')
    assert reader.summary(1)[Kind.REPLY] == 2


def test_a_new_generation_is_empty_and_the_old_one_is_removed(tmp_path: Path) -> None:
    writer, reader = RecordWriter(tmp_path, "worker0", 1), RecordReader(tmp_path)
    writer.write(Kind.REPLY)
    assert reader.summary(1)[Kind.REPLY] == 1
    writer.begin(2)
    reader.remove_before(2)
    assert reader.summary(2)[Kind.REPLY] == 0
    writer.write(Kind.REPLY)
    assert [entry["kind"] for entry in reader.entries(2, None, 0.0, 10)] == ["reply"]
    assert len(list(tmp_path.iterdir())) == 1
    writer.close()
