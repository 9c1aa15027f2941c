"""E32: the numbers of the four segments that close a connection."""

from lab import Lab
from lab.claims.catalogue import Text
from lab.exercise.model import Exercise, Numbers, Question, Round
from lab.exercise.notation import At, Flags, SequenceNumber
from lab.exercise.readings import OfSegment


def run(lab: Lab, own: Numbers) -> None:
    server = lab.kernel.listen(port=own.port)
    peer = lab.peer(to=server, iss=own.x)
    connection = peer.open()
    peer.send("PA", payload=b"." * own.m)
    peer.expect("A", seq=1, ack=1 + own.m)
    connection.expect_data(b"." * own.m)
    connection.send(b"." * own.n)
    peer.expect("PA", seq=1, ack=1 + own.m, payload=b"." * own.n)
    peer.send("A")
    lab.step("FIN")
    if own.kernel_first:
        connection.close()
        peer.expect("FA", seq=1 + own.n, ack=1 + own.m)
        peer.send("A")
        lab.kernel.expect_state(peer, "FIN-WAIT-2")
        peer.send("FA")
        peer.expect("A", seq=2 + own.n, ack=2 + own.m)
        lab.kernel.expect_state(peer, "TIME-WAIT")
    else:
        peer.send("FA")
        peer.expect("A", seq=1 + own.n, ack=2 + own.m)
        lab.kernel.expect_state(peer, "CLOSE-WAIT")
        connection.expect_eof()
        connection.close()
        peer.expect("FA", seq=1 + own.n, ack=2 + own.m)
        lab.kernel.expect_state(peer, "LAST-ACK")
        peer.send("A")
        lab.kernel.expect_state(peer, "CLOSED")


EXERCISE = Exercise(
    id="E32",
    title=Text("The numbers of a close", "关闭连接时的序列号"),
    goal=Text(
        "Compute sequence and acknowledgment number of each segment of a close, after data in both directions.",
        "双向传送数据之后，会计算关闭连接的每个报文段的序列号和确认号。",
    ),
    minutes=15,
    section="RFC 9293 3.4, 3.6 figure 12",
    article="4.1",
    run=run,
    draw={
        "x": range(100_000_000, 4_000_000_000, 997),
        "m": range(20, 700),
        "n": range(701, 1400),
        "port": range(1024, 30000),
        "kernel_first": (0,),
    },
    rounds=(
        Round(
            Text(
                "You are the client: your SYN has x = {x}, the kernel's has y. You send {m} bytes, the kernel {n}"
                " bytes,"
                " and all of it is acknowledged. Then you send FIN. The server's program reads the end, and closes"
                " after the kernel has acknowledged your FIN.",
                "你是客户端：你的 SYN 的序列号为 x = {x}，内核的为 y。你发送 {m} 字节，内核发送 {n} 字节，"
                "全部得到确认。"
                "然后你发送 FIN。服务器程序读到流末尾，在内核确认你的 FIN 之后关闭连接。",
            ),
            predict=(
                Question(
                    "ack_of_fin",
                    Text(
                        "Which acknowledgment number has the kernel's ACK of your FIN?",
                        "内核对你的 FIN 的确认号是多少？",
                    ),
                    SequenceNumber("x"),
                    OfSegment(1, "ack", base="x", step="FIN"),
                    lambda own: At("x", 2 + own.m),
                    Text(
                        "x, one for the SYN, {m} bytes, one for the FIN: x+2+{m}. RFC 9293 3.4",
                        "x，SYN 占一个，{m} 个字节，FIN 占一个：x+2+{m}。RFC 9293 3.4",
                    ),
                    {
                        "fin-not-counted": lambda own: At("x", 1 + own.m),
                        "data-not-counted": lambda _: At("x", 2),
                        "sides-swapped": lambda own: At("y", 2 + own.m),
                        "other-direction-counted": lambda own: At("x", 2 + own.n),
                        "syn-and-fin-not-counted": lambda own: At("x", own.m),
                    },
                ),
                Question(
                    "fin_flags",
                    Text(
                        "Then the program closes. Which control bits does the kernel's next segment have?",
                        "然后程序关闭连接。内核的下一个报文段带哪些控制位？",
                    ),
                    Flags(),
                    OfSegment(2, "flags", step="FIN"),
                    lambda _: "FA",
                    Text(
                        "Every segment of an open connection has ACK, a FIN too. RFC 9293 3.1",
                        "连接建立之后，每个报文段都带 ACK，FIN 也不例外。RFC 9293 3.1",
                    ),
                    {"fin-without-ack": lambda _: "F", "close-is-reset": lambda _: "RA"},
                ),
                Question(
                    "fin_seq",
                    Text("What is its sequence number?", "它的序列号是多少？"),
                    SequenceNumber("y"),
                    OfSegment(2, "seq", base="y", step="FIN"),
                    lambda own: At("y", 1 + own.n),
                    Text(
                        "y, one for the SYN, {n} bytes: the FIN is the next, y+1+{n}. RFC 9293 3.4",
                        "y，SYN 占一个，{n} 个字节：FIN 是下一个，y+1+{n}。RFC 9293 3.4",
                    ),
                    {
                        "syn-not-counted": lambda own: At("y", own.n),
                        "data-not-counted": lambda _: At("y", 1),
                        "ack-takes-a-number": lambda own: At("y", 2 + own.n),
                        "other-direction-counted": lambda own: At("y", 1 + own.m),
                    },
                ),
            ),
            investigate=(
                Question(
                    "your_last_ack",
                    Text(
                        "Look at your own last segment: which acknowledgment number has it?",
                        "看看你自己的最后一个报文段：它的确认号是多少？",
                    ),
                    SequenceNumber("y"),
                    OfSegment(2, "ack", base="y", from_peer=True, step="FIN"),
                    lambda own: At("y", 2 + own.n),
                    Text(
                        "The kernel's FIN had y+1+{n}, and takes up one: y+2+{n}. RFC 9293 3.4",
                        "内核的 FIN 的序列号是 y+1+{n}，它占用一个：y+2+{n}。RFC 9293 3.4",
                    ),
                    {"fin-not-counted": lambda own: At("y", 1 + own.n)},
                ),
            ),
        ),
        Round(
            Text(
                "The same data, but the server's program closes first. You acknowledge its FIN, then you send yours.",
                "数据相同，但服务器程序先关闭连接。你确认它的 FIN，然后发送自己的 FIN。",
            ),
            change={"kernel_first": 1},
            hint=Text(
                "Which of the kernel's segments have taken up sequence numbers before it?",
                "在它之前，内核的哪些报文段占用了序列号？",
            ),
            predict=(
                Question(
                    "last_seq",
                    Text(
                        "What is the sequence number of the kernel's last ACK?",
                        "内核的最后一个 ACK 的序列号是多少？",
                    ),
                    SequenceNumber("y"),
                    OfSegment(2, "seq", base="y", step="FIN"),
                    lambda own: At("y", 2 + own.n),
                    Text(
                        "Its FIN took up y+1+{n}, so the next number is y+2+{n}. RFC 9293 3.4",
                        "它的 FIN 占用了 y+1+{n}，所以下一个是 y+2+{n}。RFC 9293 3.4",
                    ),
                    {
                        "fin-not-counted": lambda own: At("y", 1 + own.n),
                        "data-not-counted": lambda _: At("y", 2),
                        "other-direction-counted": lambda own: At("y", 2 + own.m),
                    },
                ),
            ),
        ),
    ),
    hints=(
        Text(
            "The article calls the numbers m, n and p. What do they count?",
            "文章把这些数叫作 m、n 和 p。它们计算的是什么？",
        ),
        Text(
            "In each direction: one for the SYN, one for each byte, one for the FIN. An ACK takes up nothing.",
            "每个方向上：SYN 占一个，每个字节占一个，FIN 占一个。ACK 不占用。",
        ),
        Text(
            "Your bytes move your sequence number and the kernel's acknowledgment number; the kernel's bytes the"
            " others.",
            "你的字节使你的序列号和内核的确认号增加；内核的字节使另外两个增加。",
        ),
    ),
    learned=Text(
        "A FIN takes up one sequence number, after all data. Each direction counts for itself.",
        "FIN 占用一个序列号，排在所有数据之后。两个方向各自计数。",
    ),
)
