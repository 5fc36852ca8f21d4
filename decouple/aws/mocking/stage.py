"""Which mock a call belongs to.

That of its context, which tasks and nested mocks inherit; of a thread that inherited none, that in which its client was
made; else the one that is open. A mock that has ended is none: a loop may keep the context of an earlier test. Of nested
mocks the inner one counts as open, so that plain threads in it find it.
"""

from __future__ import annotations

import threading
import weakref
from contextvars import ContextVar
from typing import Any

from decouple.aws.mocking.errors import WhichMock
from decouple.aws.mocking.scene import AWS

__all__ = ["enter", "here", "innermost", "is_open", "leave", "made_here", "made_in_a_mock", "scene_of"]

CURRENT: ContextVar[AWS | None] = ContextVar("decouple_mock", default=None)
HOME = "_decouple_mock"

lock = threading.Lock()
opened: tuple[AWS, ...] = ()


def enter(scene: AWS) -> None:
    """Let it be the context's mock."""
    global opened
    with lock:
        opened = (*opened, scene)
    CURRENT.set(scene)


def leave(scene: AWS) -> None:
    """It has ended. In another context than it was opened in (an async fixture's) its time is over just the same."""
    global opened
    with lock:
        opened = tuple(one for one in opened if one is not scene)
    if CURRENT.get() is scene:
        CURRENT.set(scene.outer)


def is_open() -> bool:
    """Whether any mock is."""
    return bool(opened)


def innermost() -> AWS | None:
    """The context's own mock, if it has one."""
    scene = CURRENT.get()
    while scene is not None and scene.ended:
        scene = scene.outer
    return scene


def candidates() -> list[AWS]:
    """The open mocks that have no other in them."""
    now = opened
    return [scene for scene in now if not any(one.outer is scene for one in now)]


def here() -> AWS | None:
    """The mock in which this code runs, if that is clear."""
    if (scene := innermost()) is not None:
        return scene
    found = candidates()
    return found[0] if len(found) == 1 else None


def made_here(client: Any) -> None:
    """Remember in which mock the client was made."""
    if (scene := here()) is not None and client.meta.service_model.service_name not in scene.passthrough:
        client.__dict__[HOME] = weakref.ref(scene)


def made_in_a_mock(client: Any) -> bool:
    """Whether it was, open or not."""
    return HOME in client.__dict__


def home_of(client: Any) -> AWS | None:
    """The mock in which it was made, if that is open."""
    home = client.__dict__.get(HOME)
    scene: AWS | None = None if home is None else home()
    return None if scene is None or scene.ended else scene


def scene_of(client: Any, service: str, operation: str) -> AWS | None:
    """The mock that is to answer this client's call; None: no mock is open. Raises WhichMock."""
    scene = innermost() or home_of(client)
    if scene is not None or not opened:
        return scene
    found = candidates()
    if len(found) > 1:
        raise WhichMock(service, operation, mocks=len(found))
    return found[0] if found else None
