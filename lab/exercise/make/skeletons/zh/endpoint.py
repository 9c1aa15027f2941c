"""你的 TCP 端点：一个连接的一端，没有套接字，也没有时钟。

实验环境调用它的方法，并把 `segments_to_send` 返回的报文段发送给真实的内核。只写当前这一关要求的部分，其余留给后面的关。
你 print 的内容会显示在结果旁边。

数字：`segment.seq` 是 SEG.SEQ，`segment.ack` 是 SEG.ACK，`segment.length` 是 SEG.LEN，即 `segment.payload` 的字节数，
带 SYN 时加一，带 FIN 时也加一。`Seq` 在 2**32 处回绕：`seq + 1` 总是正确的，`a < b` 比较两者在圆环上的先后，
`a - b` 是从 b 到 a 的距离。要后退，写 `seq + -1`。

控制位：报文段带 SYN 时，`segment.flags & SYN` 为真；`SYN | ACK` 表示两个位。

要发送的报文段：Segment(seq, ack, flags, window, options, payload)，最后两项可以省略：

    Segment(self.iss, self.rcv_nxt, SYN | ACK, 65535)
    Segment(self.snd_nxt, self.rcv_nxt, ACK, 65535, (), b"hello")
"""

from __future__ import annotations

from lab.tcp.flags import ACK, FIN, PSH, RST, SYN  # noqa: F401  # 以后会用到
from lab.tcp.segment import Segment
from lab.tcp.sequence import Seq

MSL = 30.0
"""报文段最长寿命，以秒计：TIME-WAIT 持续两倍的时间。"""
RTO = 1.0
"""第一次重传超时，以秒计；每次加倍（RFC 6298 5.5）。"""


class Endpoint:
    """连接的一端。变量沿用 RFC 9293 3.3.1 中的名称。"""

    def __init__(self, iss: Seq) -> None:
        """`iss`：你的 SYN 的序列号。"""
        self.state = "CLOSED"
        """RFC 9293 3.3.2 中的名称："LISTEN"、"SYN-RECEIVED"、"ESTABLISHED" 等。"""
        self.iss = iss
        self.snd_una = iss
        """第一个尚未确认的序列号。"""
        self.snd_nxt = iss
        """下一个要发送的序列号。"""
        self.rcv_nxt = Seq(0)
        """下一个期望收到的序列号。"""

    # 用户调用（RFC 9293 3.10.1 至 3.10.4）。`now` 是开始后的秒数。

    def listen(self) -> None:
        """等待连接。"""
        raise NotImplementedError

    def connect(self, now: float) -> None:
        """打开连接。"""
        raise NotImplementedError

    def send(self, data: bytes, now: float) -> None:
        """发送这些字节。"""
        raise NotImplementedError

    def close(self, now: float) -> None:
        """发完全部数据之后不再发送，但仍可接收。"""
        raise NotImplementedError

    def read(self) -> bytes:
        """自上次调用以来按序到达的字节；没有则为 b""。"""
        raise NotImplementedError

    # 实验环境交给你的，和向你要的。

    def receive(self, segment: Segment, now: float) -> None:
        """内核的一个报文段到达（RFC 9293 3.10.7）。"""
        raise NotImplementedError

    def segments_to_send(self, now: float) -> list[Segment]:
        """你该发送的报文段，按顺序。每次其他调用之后都会来取，取走就立即发送，因此不要再保留。"""
        return []

    def timer(self) -> float | None:
        """希望在何时调用 `handle_timer`，与 `now` 用同一时钟；None 表示没有定时器在运行。"""
        return None

    def handle_timer(self, now: float) -> None:
        """`timer` 所说的时间到了（RFC 9293 3.10.8）。"""
        raise NotImplementedError
