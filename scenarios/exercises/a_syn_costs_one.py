"""E07: which number acknowledges a SYN, and what follows 4294967295."""

from lab import Lab
from lab.claims.catalogue import Text
from lab.exercise.model import Exercise, Numbers, Question, Round
from lab.exercise.notation import SPAN, At, Flags, SequenceNumber, WireNumber
from lab.exercise.readings import OfSegment


def run(lab: Lab, own: Numbers) -> None:
    server = lab.kernel.listen(port=own.port)
    peer = lab.peer(to=server, iss=own.x)
    peer.send("S")
    peer.expect("SA", seq=0, ack=1)
    peer.send("A")
    connection = server.accept()
    peer.send("PA", payload=b"." * own.n)
    peer.expect("A", seq=1, ack=1 + own.n)
    connection.expect_data(b"." * own.n)


EXERCISE = Exercise(
    id="E07",
    title=Text("What a SYN costs", "SYN 占用什么"),
    goal=Text(
        "Compute acknowledgment numbers, also where the sequence numbers begin again at 0.",
        "会计算确认号，包括序列号回到 0 的情形。",
    ),
    minutes=10,
    section="RFC 9293 3.4, 3.5",
    article="3.2",
    run=run,
    draw={"x": range(SPAN - 1000, SPAN - 1), "n": range(1001, 1400), "port": range(1024, 30000)},
    rounds=(
        Round(
            Text(
                "You are the client. Your SYN to port {port} has the sequence number x = {x}. After the handshake you"
                " send {n} bytes. The sequence number has 32 bits: 2**32 is 4294967296.",
                "你是客户端。你发往端口 {port} 的 SYN 的序列号为 x = {x}。握手之后你发送 {n} 字节。"
                "序列号有 32 位：2**32 等于 4294967296。",
            ),
            predict=(
                Question(
                    "flags",
                    Text(
                        "Which control bits does the kernel's answer to the SYN have?",
                        "内核对 SYN 的应答带哪些控制位？",
                    ),
                    Flags(),
                    OfSegment(1, "flags"),
                    lambda _: "SA",
                    Text(
                        "One segment acknowledges your SYN and is the server's own SYN. RFC 9293 3.5",
                        "一个报文段既确认你的 SYN，又是服务器自己的 SYN。RFC 9293 3.5",
                    ),
                    {"syn-is-answered-by-ack-only": lambda _: "A", "answer-without-ack": lambda _: "S"},
                ),
                Question(
                    "ack",
                    Text(
                        "Which acknowledgment number stands in its header? Compute it from your x = {x}.",
                        "它的首部里确认号是多少？请用你的 x = {x} 计算。",
                    ),
                    WireNumber(),
                    OfSegment(1, "ack"),
                    lambda own: (own.x + 1) % SPAN,
                    Text(
                        "A SYN takes up one sequence number, so the next one expected is x+1. RFC 9293 3.4",
                        "SYN 占用一个序列号，所以期望的下一个是 x+1。RFC 9293 3.4",
                    ),
                    {
                        "syn-not-counted": lambda own: own.x,
                        "relative-for-absolute": lambda _: 1,
                        "counted-twice": lambda own: own.x + 2,
                    },
                ),
                Question(
                    "data_ack",
                    Text(
                        "Your {n} bytes arrive. Which acknowledgment number stands in the header of the kernel's ACK?",
                        "你的 {n} 字节到达了。内核的 ACK 的首部里确认号是多少？",
                    ),
                    WireNumber(),
                    OfSegment(2, "ack"),
                    lambda own: (own.x + 1 + own.n) % SPAN,
                    Text(
                        "x, one for the SYN, one for each byte: x+1+{n}, modulo 2**32. RFC 9293 3.4",
                        "x，SYN 占一个，每个字节占一个：x+1+{n}，模 2**32。RFC 9293 3.4",
                    ),
                    {
                        "not-wrapped": lambda own: own.x + 1 + own.n,
                        "syn-not-counted": lambda own: (own.x + own.n) % SPAN,
                        "data-not-counted": lambda own: (own.x + 1) % SPAN,
                        "relative-for-absolute": lambda own: 1 + own.n,
                    },
                ),
            ),
            investigate=(
                Question(
                    "kernel_seq",
                    Text(
                        "The kernel began at y. What is the sequence number of its last ACK: y, y+1, ...?",
                        "内核的初始序列号是 y。它的最后一个 ACK 的序列号是 y、y+1 还是别的？",
                    ),
                    SequenceNumber("y"),
                    OfSegment(2, "seq", base="y"),
                    lambda _: At("y", 1),
                    Text(
                        "Its SYN took up y. An ACK without data takes up nothing, so it has the next number, y+1."
                        " RFC 9293 3.4",
                        "它的 SYN 占用了 y。不带数据的 ACK 不占用序列号，所以它用的是下一个序列号 y+1。RFC 9293 3.4",
                    ),
                    {"syn-not-counted": lambda _: At("y", 0), "ack-takes-a-number": lambda _: At("y", 2)},
                ),
            ),
        ),
        Round(
            Text(
                "Now your SYN has the last sequence number that there is: x = {x}.",
                "现在你的 SYN 用的是最后一个序列号：x = {x}。",
            ),
            change={"x": SPAN - 1},
            hint=Text(
                "The field has 32 bits. Which number comes after the last one?",
                "该字段只有 32 位。最后一个数之后是哪个数？",
            ),
            predict=(
                Question(
                    "ack_after_the_last",
                    Text(
                        "Which acknowledgment number stands in the header of the kernel's SYN+ACK?",
                        "内核的 SYN+ACK 的首部里确认号是多少？",
                    ),
                    WireNumber(),
                    OfSegment(1, "ack"),
                    lambda _: 0,
                    Text(
                        "After 4294967295 comes 0: sums are taken modulo 2**32. RFC 9293 3.4",
                        "4294967295 之后是 0：加法模 2**32。RFC 9293 3.4",
                    ),
                    {
                        "not-wrapped": lambda own: own.x + 1,
                        "syn-not-counted": lambda own: own.x,
                        "relative-for-absolute": lambda _: 1,
                    },
                ),
            ),
        ),
    ),
    hints=(
        Text(
            "What does the article say about the number in the second segment, for a client that begins at x?",
            "客户端从 x 开始时，文章说第二个报文段里的确认号是多少？",
        ),
        Text(
            "The acknowledgment number is the next sequence number that the receiver expects. SYN and each byte take up"
            " one.",
            "确认号是接收方期望的下一个序列号。SYN 和每个字节各占用一个。",
        ),
        Text(
            "Add 1 for the SYN, and the number of bytes. If the sum reaches 4294967296, subtract 4294967296.",
            "为 SYN 加 1，再加上字节数。如果和达到 4294967296，就减去 4294967296。",
        ),
    ),
    learned=Text(
        "A SYN takes up one sequence number, and so does each byte. After 4294967295 comes 0.",
        "SYN 占用一个序列号，每个字节也占用一个。4294967295 之后是 0。",
    ),
)
