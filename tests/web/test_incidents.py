"""What the API may be asked of incidents, and what it answers."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prober.publish.journal.incidents import IncidentCursor, IncidentsAsked, read_cursor
from prober.publish.journal.stored import StoredOutage, StoredRace, StoredViolation
from prober.web.incidents import Incident, asked_incidents, incidents_document, races_document
from prober.web.paging import LARGEST_SEQ, BadQueryError

OUTAGE = StoredOutage(
    seq=4,
    id="o-4",
    probe="redis",
    began_wall=1000.5,
    ended_wall=1002.5,
    duration=2.0,
    uncertainty=0.02,
    cause="refused",
    detail="nobody listens",
    failures=3,
)
VIOLATION = StoredViolation(
    seq=9, id="lost_message-9", kind="lost_message", first_wall=999.0, last_wall=999.0, sentence="it never came"
)


@given(
    st.builds(
        IncidentCursor,
        began=st.floats(0, 9_999_999_999).map(lambda wall: round(wall, 6)),
        is_violation=st.booleans(),
        seq=st.integers(1, 10**17),
    )
)
def test_a_cursor_is_read_as_it_was_written(cursor: IncidentCursor) -> None:
    if "e" not in repr(cursor.began):
        assert read_cursor(str(cursor)) == cursor


@given(st.text(max_size=30))
def test_no_other_text_is_a_cursor(text: str) -> None:
    try:
        cursor = read_cursor(text)
    except ValueError:
        return
    assert read_cursor(str(cursor)) == cursor


def test_what_may_be_asked() -> None:
    assert asked_incidents({}) == IncidentsAsked(limit=50)
    asked = asked_incidents({"probe": "redis", "since": "17.5", "limit": "3", "before": "1000.5-v9"})
    assert asked == IncidentsAsked(
        violations=False, probe="redis", since=17.5, limit=3, before=IncidentCursor(1000.5, True, 9)
    )
    assert asked_incidents({"kind": "lost_message"}) == IncidentsAsked(
        outages=False, kind="lost_message", limit=50
    )
    assert asked_incidents({"type": "outage"}) == IncidentsAsked(violations=False, limit=50)


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ({"type": "drill"}, "type: expected one of outage, violation, found 'drill'"),
        ({"probe": "mysql"}, "probe: expected one of webhook, "),
        ({"kind": "lost"}, "kind: expected one of multiple_winners, "),
        ({"kind": "lost_message", "probe": "redis"}, "probe: expected for outages alone"),
        ({"type": "outage", "kind": "lost_message"}, "kind: expected for violations alone"),
        ({"since": "nan"}, "since: expected Unix seconds, found 'nan'"),
        ({"since": "yesterday"}, "since: expected Unix seconds"),
        ({"before": "17"}, "before: expected the `next` of the page before, found '17'"),
        ({"limit": "5001"}, "limit: expected a whole number from 1 to 500"),
        ({"offset": "1"}, "expected only the parameters type, probe, kind, since, limit, before, found 'offset'"),
    ],
)
def test_what_cannot_be_meant_is_said(query: dict[str, str], why: str) -> None:
    with pytest.raises(BadQueryError) as caught:
        asked_incidents(query)
    assert why in str(caught.value)


def test_a_page_has_the_cursor_of_the_next_only_where_there_may_be_one() -> None:
    page = (Incident(OUTAGE), Incident(VIOLATION, "known", "ticket 7"))
    document = incidents_document(page, 2)
    assert document["next"] == "999.0-v9"
    assert incidents_document(page, 3)["next"] is None
    assert incidents_document((), 1) == {"incidents": [], "next": None}
    first, second = json.loads(json.dumps(document))["incidents"]
    assert (first["type"], first["seconds"], first["uncertainty_seconds"]) == ("outage", 2.0, 0.02)
    assert (second["type"], second["standing"], second["reason"]) == ("violation", "known", "ticket 7")


def test_a_page_of_races() -> None:
    race = StoredRace(
        seq=LARGEST_SEQ,
        id="r",
        released_wall=1.0,
        outcome="one_winner",
        violation=False,
        sentence="",
        routing_id="g",
        order_id="o",
        race_duration=None,
    )
    document = json.loads(json.dumps(races_document((race,), 1)))
    assert document["next"] == LARGEST_SEQ
    assert document["races"][0]["race_seconds"] is None
