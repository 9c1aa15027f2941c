"""TCP 端点的一个报文段。其余部分已经给出，可以正常工作。"""

from __future__ import annotations

from lab.exercise.make.given import WithoutAnswerToSyn
from lab.tcp.flags import ACK, SYN  # noqa: F401  # 会用到
from lab.tcp.segment import Segment


class Endpoint(WithoutAnswerToSyn):
    """一个 TCP 端点，它向你要一个报文段。"""

    def answer_to_syn(self, syn: Segment) -> Segment:
        """在 LISTEN 中应答 SYN `syn` 的报文段：Segment(seq, ack, flags, window)。

        `syn.seq` 是这个 SYN 的序列号，`self.iss` 是你自己的初始序列号，`self.rcv_wnd` 是你的窗口。控制位用 | 连接：
        `SYN | ACK`。
        """
        raise NotImplementedError
