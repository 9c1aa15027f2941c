"""TCP 端点的一个函数。其余部分已经给出，可以正常工作。"""

from __future__ import annotations

from lab.exercise.make.given import WithoutAcknowledgmentNumber
from lab.tcp.segment import Segment
from lab.tcp.sequence import Seq


class Endpoint(WithoutAcknowledgmentNumber):
    """一个 TCP 端点，它向你要一个数。"""

    def acknowledgment_number(self, segment: Segment) -> Seq:
        """确认 `segment` 的确认号，即下一个期望收到的序列号；`segment` 是按序到达的。

        `segment.seq` 是它的序列号，`segment.payload` 是它的字节。它可能带 SYN 或 FIN：`segment.letters` 为 "S"、"SA"、
        "A"、"PA"、"FA" 等。序列号会自动回绕：`segment.seq + 7` 总是正确的。
        """
        raise NotImplementedError
