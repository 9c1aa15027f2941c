"""Application of a peer that answers by itself: it makes the user calls of RFC 9293 3.9.1."""

from __future__ import annotations

import time
from collections.abc import Callable

from lab.record.expectation import octets
from lab.session.conversation import Conversation
from lab.session.engine import ModelEngine
from lab.session.errors import ScenarioError
from lab.session.switchboard import Switchboard
from lab.tcp.endpoint import UserCallError


class Application:
    """The user of a peer's TCP. A call that is an error in the peer's state raises ScenarioError with RFC 9293's text.

    What arrives is read with `peer.received`.
    """

    def __init__(self, switchboard: Switchboard, conversation: Conversation) -> None:
        self._switchboard = switchboard
        self._conversation = conversation
        self._endpoint = conversation.endpoint
        switchboard.automatic.engage(conversation, ModelEngine(self._endpoint))

    def connect(self) -> None:
        """OPEN actively: the peer sends its SYN."""
        self._call(self._endpoint.connect)

    def send(self, data: bytes | str) -> None:
        """SEND: the peer sends these bytes as soon as the kernel's window allows."""
        sent = octets(data)
        self._call(lambda now: self._endpoint.send(sent, now))

    def close(self) -> None:
        """CLOSE: the peer sends its FIN after all data, and still receives."""
        self._call(self._endpoint.close)

    def abort(self) -> None:
        """ABORT: the peer resets the connection."""
        self._call(self._endpoint.abort)

    def _call(self, user_call: Callable[[float], None]) -> None:
        try:
            user_call(time.monotonic())
        except UserCallError as error:
            raise ScenarioError(f"the peer is in {self._endpoint.state}: {error}") from None
        self._switchboard.automatic.send_owed(self._conversation)
