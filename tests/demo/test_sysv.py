"""System V segments are listed and freed."""

from __future__ import annotations

import ctypes

import pytest

from prober.demo import sysv

IPC_PRIVATE = 0
IPC_CREAT = 0o1000


def test_a_segment_is_listed_until_it_is_removed() -> None:
    identifier = ctypes.CDLL(None).shmget(IPC_PRIVATE, ctypes.c_size_t(4096), IPC_CREAT | 0o600)
    assert identifier >= 0
    (found,) = [segment for segment in sysv.segments() if segment.id == identifier]
    assert found.attached == 0
    assert sysv.remove(identifier)
    assert identifier not in {segment.id for segment in sysv.segments()}
    assert not sysv.remove(identifier)


@pytest.mark.parametrize(("inode", "key"), [(17, 17), (2**31, -(2**31)), (2**32 + 5, 5), (2**32 - 1, -1)])
def test_the_key_is_the_inode_cut_to_32_bits(inode: int, key: int) -> None:
    assert sysv.key(inode) == key
