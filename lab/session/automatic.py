"""Peers that answer by themselves: their engines get each expired timer, and what they owe is sent."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from lab.session.conversation import Conversation
from lab.session.engine import Engine
from lab.tcp.segment import Segment


class Automatic:
    """The conversations with an engine."""

    def __init__(self, send: Callable[[Conversation, Segment], int]) -> None:
        """`send` puts a segment of a peer on the link."""
        self._send = send
        self._conversations: list[Conversation] = []

    def __bool__(self) -> bool:
        return bool(self._conversations)

    def engage(self, conversation: Conversation, engine: Engine) -> None:
        """From now on the engine decides what this peer sends. It works whenever the lab waits or receives."""
        if conversation not in self._conversations:
            self._conversations.append(conversation)
        conversation.engine = engine

    def send_owed(self, conversation: Conversation) -> None:
        """Send what the engine owes; nothing while the kernel's end is unknown."""
        if conversation.engine is not None and conversation.ends is not None:
            for segment in conversation.engine.segments_to_send(time.monotonic()):
                self._send(conversation, segment)

    def run(self) -> float:
        """Handle the expired timers, and send what is owed. Returns when the next timer expires, in ns."""
        due_ns = math.inf
        for conversation in self._conversations:
            engine, now = conversation.engine, time.monotonic()
            assert engine is not None
            expires = engine.timer()
            if expires is not None and expires <= now:
                engine.handle_timer(now)
            self.send_owed(conversation)
            expires = engine.timer()
            due_ns = min(due_ns, math.inf if expires is None else expires * 1e9)
        return due_ns
