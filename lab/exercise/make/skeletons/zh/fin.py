"""TCP 端点的一个报文段。其余部分已经给出，可以正常工作。"""

from __future__ import annotations

from lab.exercise.make.given import WithoutFin
from lab.tcp.flags import ACK, FIN  # noqa: F401  # 会用到
from lab.tcp.segment import Segment


class Endpoint(WithoutFin):
    """一个 TCP 端点，它向你要一个报文段。"""

    def fin(self) -> Segment:
        """表示“我不再发送”的报文段：Segment(seq, ack, flags, window)。

        `self.snd_nxt` 是下一个要发送的序列号，`self.rcv_nxt` 是下一个期望收到的序列号，`self.iss` 是你的初始序列号，
        `self.rcv_wnd` 是你的窗口。
        """
        raise NotImplementedError
