"""TEMPLATE: what this exercise is about, in one line.

The scenario comes first, with the learner's own numbers. EXERCISE below it has the questions. Each text is in English
and Chinese; `{name}` in a text is the learner's number of this name.
"""

from lab import Lab
from lab.claims.catalogue import Text
from lab.exercise.model import Exercise, Numbers, Question, Round
from lab.exercise.notation import At, Flags, SequenceNumber
from lab.exercise.readings import OfSegment


def run(lab: Lab, own: Numbers) -> None:
    server = lab.kernel.listen(port=own.port)
    peer = lab.peer(to=server, iss=own.x)
    peer.open()
    peer.send("PA", payload=b"." * own.n)
    peer.expect("A", seq=1, ack=1 + own.n)


EXERCISE = Exercise(
    id="TEMPLATE",
    title=Text("Data is acknowledged", "数据得到确认"),
    goal=Text("Say how the kernel acknowledges data.", "会说出内核如何确认数据。"),
    minutes=5,
    section="RFC 9293 3.4",
    article="3.2",
    run=run,
    draw={"x": range(100_000_000, 4_000_000_000, 997), "n": range(10, 1000), "port": range(1024, 30000)},
    rounds=(
        Round(
            Text(
                "The connection is open. Your SYN had x = {x}. You send {n} bytes.",
                "连接已经建立。你的 SYN 的序列号为 x = {x}。你发送 {n} 字节。",
            ),
            predict=(
                Question(
                    "flags",
                    Text("Which control bits does the kernel's answer have?", "内核的应答带哪些控制位？"),
                    Flags(),
                    seen=OfSegment(2, "flags"),  # the kernel's first segment was its SYN+ACK
                    known=lambda _: "A",
                    why=Text("Data is acknowledged with ACK. RFC 9293 3.4", "数据用 ACK 确认。RFC 9293 3.4"),
                    wrong={"ack-with-syn": lambda _: "SA"},
                ),
                Question(
                    "ack",
                    Text("And which acknowledgment number?", "确认号是多少？"),
                    SequenceNumber("x"),
                    seen=OfSegment(2, "ack", base="x"),
                    known=lambda own: At("x", 1 + own.n),
                    why=Text(
                        "x, one for the SYN, one for each byte: x+1+{n}. RFC 9293 3.4",
                        "x，SYN 占一个，每个字节占一个：x+1+{n}。RFC 9293 3.4",
                    ),
                    wrong={
                        "syn-not-counted": lambda own: At("x", own.n),
                        "data-not-counted": lambda _: At("x", 1),
                        "own-number": lambda _: At("x", 0),
                    },
                ),
            ),
        ),
    ),
    hints=(
        Text("What takes up sequence numbers?", "哪些内容占用序列号？"),
        Text("SYN takes up one, and each byte one.", "SYN 占用一个，每个字节占用一个。"),
        Text("Add 1 and the number of bytes to x.", "在 x 上加 1，再加字节数。"),
    ),
    learned=Text("An ACK names the next byte that is expected.", "确认号是期望收到的下一个字节的序列号。"),
)
