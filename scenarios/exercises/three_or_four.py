"""E34: how many segments close a connection."""

from lab import Connection, Lab, Listener, Peer
from lab.claims.catalogue import Text
from lab.exercise.model import Exercise, Numbers, Question, Round
from lab.exercise.notation import At, Count, Flags, SequenceNumber
from lab.exercise.readings import HowMany, OfSegment


def run(lab: Lab, own: Numbers) -> None:
    server = lab.kernel.listen(port=own.port)
    if own.delay:
        peer, connection = request(lab, server, own)
        lab.step("FIN")
        peer.send("FA")
        peer.expect("A", seq=1, ack=2 + own.n)
        peer.expect_silence(during=own.delay / 1000)
        connection.expect_eof()
        connection.close()
        finish(lab, peer, own)
        return
    for attempt in lab.attempts():
        peer, connection = request(lab, server, own)
        lab.step("FIN")
        with attempt.before("TcpExtDelayedACKs"):
            peer.send("FA")
            connection.expect_eof()
            connection.close()
        if attempt.late:  # on a busy machine the ACK has left first
            peer.expect("A", seq=1, ack=2 + own.n)
        finish(lab, peer, own)


def request(lab: Lab, server: Listener, own: Numbers) -> tuple[Peer, Connection]:
    """A connection over which a request was read."""
    peer = lab.peer(to=server, iss=own.x)
    connection = peer.open()
    peer.send("PA", payload=b"." * own.n)
    peer.expect("A", seq=1, ack=1 + own.n)
    connection.expect_data(b"." * own.n)
    return peer, connection


def finish(lab: Lab, peer: Peer, own: Numbers) -> None:
    """The kernel's FIN and its acknowledgment."""
    peer.expect("FA", seq=1, ack=2 + own.n)
    lab.kernel.expect_state(peer, "LAST-ACK")
    peer.send("A")
    lab.kernel.expect_state(peer, "CLOSED")


EXERCISE = Exercise(
    id="E34",
    title=Text("Three segments or four", "三个还是四个报文段"),
    goal=Text(
        "Say how many segments a close takes, and what decides that.",
        "会说出关闭连接需要几个报文段，以及由什么决定。",
    ),
    minutes=12,
    section="RFC 9293 3.6, 3.8.6.3",
    article="4.2",
    run=run,
    draw={
        "x": range(100_000_000, 4_000_000_000, 997),
        "n": range(10, 1400),
        "port": range(1024, 30000),
        "later": range(300, 900),
        "waits": (0,),
    },
    derive={"delay": lambda own: own.later * own.waits},
    rounds=(
        Round(
            Text(
                "You have sent {n} bytes (your SYN had x = {x}), and the server's program has read them. You send FIN."
                " The program reads the end of the stream and calls close() at once. No setting was changed.",
                "你发送了 {n} 字节（你的 SYN 的序列号为 x = {x}），服务器程序已经读取。你发送 FIN。"
                "程序读到流末尾，立即调用 close()。没有改动任何设置。",
            ),
            predict=(
                Question(
                    "segments",
                    Text(
                        "How many segments pass the wire from your FIN on, in both directions together?",
                        "从你的 FIN 算起，线路上一共经过多少个报文段（两个方向合计）？",
                    ),
                    Count(),
                    HowMany(step="FIN"),
                    lambda _: 3,
                    Text(
                        "The kernel delays the ACK of a FIN. If the program closes meanwhile, one segment carries both."
                        " RFC 9293 3.8.6.3",
                        "内核会延迟对 FIN 的确认。如果程序在此期间关闭连接，一个报文段就同时携带两者。RFC 9293 3.8.6.3",
                    ),
                    {"four-is-no-law": lambda _: 4, "fin-is-not-acknowledged": lambda _: 2},
                ),
                Question(
                    "answer",
                    Text(
                        "Which control bits does the kernel's first answer to your FIN have?",
                        "内核对你的 FIN 的第一个应答带哪些控制位？",
                    ),
                    Flags(),
                    OfSegment(1, "flags", step="FIN"),
                    lambda _: "FA",
                    Text(
                        "FIN and ACK in one segment. RFC 9293 3.6",
                        "一个报文段里同时带 FIN 和 ACK。RFC 9293 3.6",
                    ),
                    {"four-is-no-law": lambda _: "A", "fin-without-ack": lambda _: "F"},
                ),
                Question(
                    "ack",
                    Text("And which acknowledgment number?", "确认号是多少？"),
                    SequenceNumber("x"),
                    OfSegment(1, "ack", base="x", step="FIN"),
                    lambda own: At("x", 2 + own.n),
                    Text(
                        "x, one for the SYN, {n} bytes, one for the FIN. RFC 9293 3.4",
                        "x，SYN 占一个，{n} 个字节，FIN 占一个。RFC 9293 3.4",
                    ),
                    {
                        "fin-not-counted": lambda own: At("x", 1 + own.n),
                        "data-not-counted": lambda _: At("x", 2),
                        "syn-and-fin-not-counted": lambda own: At("x", own.n),
                    },
                ),
            ),
            investigate=(
                Question(
                    "sent_by_you",
                    Text(
                        "From your FIN on, how many segments were yours?", "从你的 FIN 算起，有几个报文段是你发送的？"
                    ),
                    Count(),
                    HowMany(from_peer=True, step="FIN"),
                    lambda _: 2,
                    Text(
                        "Your FIN, and the ACK of the kernel's. RFC 9293 3.6",
                        "你的 FIN，以及对内核的 FIN 的 ACK。RFC 9293 3.6",
                    ),
                    {"last-ack-forgotten": lambda _: 1},
                ),
            ),
        ),
        Round(
            Text(
                "Everything as before, but the program needs longer: more than {delay} ms pass after your FIN before it"
                " calls close(). (Linux delays an ACK by some 40 ms, and by 200 ms at most.)",
                "其他不变，但程序需要更长时间：在你的 FIN 之后，过了 {delay} 毫秒以上它才调用 close()。"
                "（Linux 把 ACK 延迟大约 40 毫秒，最多 200 毫秒。）",
            ),
            change={"waits": 1},
            hint=Text(
                "What does the kernel do when the delay is over and the program has not closed?",
                "延迟时间到了而程序还没有关闭，内核会做什么？",
            ),
            predict=(
                Question(
                    "segments_later",
                    Text(
                        "How many segments pass the wire now, from your FIN on?",
                        "现在从你的 FIN 算起，一共经过多少个报文段？",
                    ),
                    Count(),
                    HowMany(step="FIN"),
                    lambda _: 4,
                    Text(
                        "A timer sends the ACK before the program closes, so the FIN comes in a segment of its own."
                        " RFC 9293 3.8.6.3",
                        "在程序关闭之前，定时器就让内核发送了 ACK，所以 FIN 在单独的报文段里。RFC 9293 3.8.6.3",
                    ),
                    {"ack-does-not-wait": lambda _: 3, "fin-is-not-acknowledged": lambda _: 2},
                ),
            ),
        ),
    ),
    hints=(
        Text(
            "Could the second and the third segment of a close be one? Who would have to be quick?",
            "关闭连接的第二和第三个报文段能合并吗？谁必须足够快？",
        ),
        Text(
            "An ACK without data may be delayed, in case something comes that can carry it.",
            "不带数据的 ACK 可以延迟，等待能够携带它的报文段。",
        ),
        Text(
            "A FIN that leaves while the ACK still waits carries it.",
            "如果 FIN 在 ACK 仍在等待时发出，就会携带这个 ACK。",
        ),
    ),
    learned=Text(
        "Four segments are no law: Linux delays the ACK of a FIN, so a program that closes at once needs three.",
        "四个报文段并不是定律：Linux 会延迟对 FIN 的确认，所以立即关闭的程序只需要三个。",
    ),
)
