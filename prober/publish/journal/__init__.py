"""The journal: what the prober has found, kept in SQLite, so that it survives restarts, crashes and `kill -9`.

Reading is apart (`prober.publish.journal.reader`) and needs none of what writing needs.
"""

from prober.publish.journal.entries import (
    Acknowledgement,
    Cleaned,
    Durability,
    Entry,
    Forgotten,
    Intended,
    JournalNews,
    JournalRecovered,
    State,
    SuiteRace,
)
from prober.publish.journal.journal import Journal
from prober.publish.journal.restore import Left, Restored, read_boot_id, read_left
from prober.publish.journal.retention import Keep, Retained

__all__ = [
    "Acknowledgement",
    "Cleaned",
    "Durability",
    "Entry",
    "Forgotten",
    "Intended",
    "Journal",
    "JournalNews",
    "JournalRecovered",
    "Keep",
    "Left",
    "Restored",
    "Retained",
    "State",
    "SuiteRace",
    "read_boot_id",
    "read_left",
]
