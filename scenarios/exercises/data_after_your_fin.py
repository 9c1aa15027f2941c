"""E35: what the server sends after the client's FIN, and where its own FIN stands."""

from lab import Lab
from lab.claims.catalogue import Text
from lab.exercise.model import Exercise, Numbers, Question, Round
from lab.exercise.notation import At, Count, SequenceNumber, StateName
from lab.exercise.readings import HowMany, KernelState, OfSegment
from lab.tcp.state import State


def run(lab: Lab, own: Numbers) -> None:
    server = lab.kernel.listen(port=own.port)
    peer = lab.peer(to=server, iss=own.x)
    connection = peer.open()
    connection.send(b"." * own.n)
    peer.expect("PA", seq=1, ack=1, payload=b"." * own.n)
    peer.send("A")
    lab.step("FIN")
    if own.together:
        peer.send("FPA", payload=b"." * own.m)
    else:
        peer.send("PA", payload=b"." * own.m)
        peer.expect("A", seq=1 + own.n, ack=1 + own.m)
        peer.send("FA")
    peer.expect("A", seq=1 + own.n, ack=2 + own.m)
    connection.expect_data(b"." * own.m)
    connection.expect_eof()
    lab.step("DATA")
    connection.send(b"." * own.k)
    peer.expect("PA", seq=1 + own.n, ack=2 + own.m, payload=b"." * own.k)
    peer.send("A")
    lab.kernel.expect_state(peer, "CLOSE-WAIT")
    lab.step("FIN 2")
    connection.close()
    peer.expect("FA", seq=1 + own.n + own.k, ack=2 + own.m)
    lab.kernel.expect_state(peer, "LAST-ACK")
    peer.send("A")
    lab.kernel.expect_state(peer, "CLOSED")


EXERCISE = Exercise(
    id="E35",
    title=Text("Data after your FIN", "你的 FIN 之后的数据"),
    goal=Text(
        "Compute the article's numbers m, n and p when the server answers after the client's FIN.",
        "服务器在客户端的 FIN 之后才应答时，会计算文章中的 m、n 和 p。",
    ),
    minutes=12,
    section="RFC 9293 3.4, 3.6",
    article="4.1",
    run=run,
    draw={
        "x": range(100_000_000, 4_000_000_000, 997),
        "m": range(20, 450),
        "n": range(451, 900),
        "k": range(901, 1400),
        "port": range(1024, 30000),
        "together": (0,),
    },
    rounds=(
        Round(
            Text(
                "Your SYN has x = {x}, the kernel's has y. The server greets you with {n} bytes, which you acknowledge."
                " You send a request of {m} bytes, then FIN; the kernel acknowledges both. The server's program has"
                " read the end of the stream, and only now sends its answer of {k} bytes. Then it closes.",
                "你的 SYN 的序列号为 x = {x}，内核的为 y。服务器先发送 {n} 字节的问候，你确认了它。"
                "你发送 {m} 字节的请求，然后发送 FIN；内核确认了两者。"
                "服务器程序已经读到流末尾，这时才发送 {k} 字节的应答，然后关闭连接。",
            ),
            predict=(
                Question(
                    "data_seq",
                    Text("Which sequence number does the answer have?", "应答的序列号是多少？"),
                    SequenceNumber("y"),
                    OfSegment(1, "seq", base="y", step="DATA"),
                    lambda own: At("y", 1 + own.n),
                    Text(
                        "y, one for the SYN, {n} bytes: y+1+{n}. The ACK of your FIN had the same number and took up"
                        " none. RFC 9293 3.4",
                        "y，SYN 占一个，{n} 个字节：y+1+{n}。对你的 FIN 的 ACK 也是这个序列号，它不占用。RFC 9293 3.4",
                    ),
                    {
                        "ack-takes-a-number": lambda own: At("y", 2 + own.n),
                        "syn-not-counted": lambda own: At("y", own.n),
                        "data-not-counted": lambda _: At("y", 1),
                        "other-direction-counted": lambda own: At("y", 1 + own.m),
                    },
                ),
                Question(
                    "data_ack",
                    Text("And which acknowledgment number?", "确认号是多少？"),
                    SequenceNumber("x"),
                    OfSegment(1, "ack", base="x", step="DATA"),
                    lambda own: At("x", 2 + own.m),
                    Text(
                        "Nothing of yours has come since the FIN: x+2+{m}, in every segment from now on. RFC 9293 3.4",
                        "FIN 之后你没有再发送什么：x+2+{m}，此后每个报文段都是它。RFC 9293 3.4",
                    ),
                    {
                        "fin-not-counted": lambda own: At("x", 1 + own.m),
                        "syn-and-fin-not-counted": lambda own: At("x", own.m),
                        "data-not-counted": lambda _: At("x", 2),
                    },
                ),
                Question(
                    "state",
                    Text(
                        "In which state is the kernel while it sends this data?",
                        "内核发送这些数据时处于什么状态？",
                    ),
                    StateName(),
                    KernelState("DATA"),
                    lambda _: State.CLOSE_WAIT,
                    Text(
                        "It has received a FIN and sent none: CLOSE-WAIT, where it may send. RFC 9293 3.3.2",
                        "它收到了 FIN，还没有发送自己的：CLOSE-WAIT，在这个状态可以发送。RFC 9293 3.3.2",
                    ),
                    {
                        "only-established-sends": lambda _: State.ESTABLISHED,
                        "closing-by-itself": lambda _: State.LAST_ACK,
                        "state-of-the-closer": lambda _: State.FIN_WAIT_2,
                    },
                ),
                Question(
                    "fin_seq",
                    Text(
                        "The article calls the number of the server's FIN p. What is it?",
                        "文章把服务器的 FIN 的序列号叫作 p。它是多少？",
                    ),
                    SequenceNumber("y"),
                    OfSegment(1, "seq", base="y", step="FIN 2"),
                    lambda own: At("y", 1 + own.n + own.k),
                    Text(
                        "The article's n is y+1+{n}; the answer takes up {k} more. RFC 9293 3.4",
                        "文章中的 n 是 y+1+{n}，应答又占用 {k} 个。RFC 9293 3.4",
                    ),
                    {
                        "data-after-fin-not-counted": lambda own: At("y", 1 + own.n),
                        "ack-takes-a-number": lambda own: At("y", 2 + own.n + own.k),
                        "syn-not-counted": lambda own: At("y", own.n + own.k),
                    },
                ),
            ),
            investigate=(
                Question(
                    "last_ack",
                    Text(
                        "Which acknowledgment number does your own last segment have?",
                        "你自己的最后一个报文段的确认号是多少？",
                    ),
                    SequenceNumber("y"),
                    OfSegment(1, "ack", base="y", from_peer=True, step="FIN 2"),
                    lambda own: At("y", 2 + own.n + own.k),
                    Text(
                        "p+1: the FIN takes up one. RFC 9293 3.4",
                        "p+1：FIN 占用一个。RFC 9293 3.4",
                    ),
                    {"fin-not-counted": lambda own: At("y", 1 + own.n + own.k)},
                ),
            ),
        ),
        Round(
            Text(
                "The same numbers, but your request of {m} bytes and your FIN are one segment.",
                "数字相同，但你的 {m} 字节请求和 FIN 在同一个报文段里。",
            ),
            change={"together": 1},
            predict=(
                Question(
                    "segments",
                    Text(
                        "How many segments are there from this one until the program sends its answer, in both"
                        " directions together?",
                        "从这个报文段到程序发送应答之前，一共有多少个报文段（两个方向合计）？",
                    ),
                    Count(),
                    HowMany(step="FIN"),
                    lambda _: 2,
                    Text(
                        "Yours, and one ACK for data and FIN together. RFC 9293 3.8.6.3",
                        "你的报文段，以及同时确认数据和 FIN 的一个 ACK。RFC 9293 3.8.6.3",
                    ),
                    {"one-ack-for-each": lambda _: 3, "fin-is-not-acknowledged": lambda _: 1},
                ),
                Question(
                    "ack_of_both",
                    Text(
                        "Which acknowledgment number does the kernel's first answer have?",
                        "内核的第一个应答的确认号是多少？",
                    ),
                    SequenceNumber("x"),
                    OfSegment(1, "ack", base="x", step="FIN"),
                    lambda own: At("x", 2 + own.m),
                    Text(
                        "The FIN has the number after the data, also in one segment: x+2+{m}. RFC 9293 3.4",
                        "即使在同一个报文段里，FIN 的序列号也排在数据之后：x+2+{m}。RFC 9293 3.4",
                    ),
                    {
                        "fin-not-counted": lambda own: At("x", 1 + own.m),
                        "data-not-counted": lambda _: At("x", 2),
                    },
                ),
            ),
        ),
    ),
    hints=(
        Text(
            "Your FIN ends one direction. Which of the four numbers belong to the other?",
            "你的 FIN 结束一个方向。四个数中哪些属于另一个方向？",
        ),
        Text(
            "The ACK of your FIN carries a sequence number, but takes up none.",
            "对你的 FIN 的 ACK 带有序列号，但不占用序列号。",
        ),
        Text(
            "p is n plus the bytes that the server sent after your FIN.",
            "p 等于 n 加上服务器在你的 FIN 之后发送的字节数。",
        ),
    ),
    learned=Text(
        "After your FIN the server still sends. Its FIN has the number p = n + the bytes sent meanwhile.",
        "在你的 FIN 之后，服务器仍可发送。它的 FIN 的序列号 p = n + 这期间发送的字节数。",
    ),
)
